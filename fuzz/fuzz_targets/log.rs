#![cfg_attr(fuzzing, no_main)]
#![allow(missing_docs)]
dm_fuzz::target!(log);
