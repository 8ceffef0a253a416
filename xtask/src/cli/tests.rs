use super::*;

fn parse_line(line: &str) -> Result<Chore, String> {
    parse(lexopt::Parser::from_args(line.split_whitespace())).map_err(|failure| {
        let message = failure.to_string();
        message.lines().next().unwrap_or_default().to_owned()
    })
}

#[test]
fn steps_are_named_once_and_run_in_the_order_asked() {
    let Ok(Chore::Test { only, keep_going }) =
        parse_line("test --only clippy,fmt --keep-going --only doc")
    else {
        panic!("refused");
    };
    let names: Vec<_> = only.iter().map(|step| step.name).collect();
    assert_eq!(names, ["clippy", "fmt", "doc"]);
    assert!(keep_going);
}

#[test]
fn a_benchmark_keeps_its_own_arguments() {
    let Ok(Chore::Bench { name, args }) = parse_line("bench lookup --quick 1000") else {
        panic!("refused");
    };
    assert_eq!(name.as_deref(), Some("lookup"));
    assert_eq!(args, ["--quick", "1000"]);
}

#[test]
fn arguments_without_a_name_go_to_every_benchmark() {
    let Ok(Chore::Bench { name, args }) = parse_line("bench --quick") else {
        panic!("refused");
    };
    assert_eq!(name, None);
    assert_eq!(args, ["--quick"]);
}

#[test]
fn what_is_not_understood_is_refused() {
    const REFUSED: &[(&str, &str)] = &[
        ("bake", "there is no chore `bake`"),
        ("--fast", "invalid option '--fast'"),
        ("test --only", "missing argument for option '--only'"),
        ("test --only fmt,", "there is no step ``"),
        ("test --only lint", "there is no step `lint`"),
        ("test fmt", "unexpected argument \"fmt\""),
        ("sim", "`sim` needs `--seeds`, the number of seeds to run"),
        ("sim --seeds many", "cannot parse argument \"many\": invalid digit found in string"),
        ("setup now", "unexpected argument \"now\""),
    ];
    for (line, message) in REFUSED {
        assert_eq!(parse_line(line).err().as_deref(), Some(*message), "{line}");
    }
}

#[test]
fn the_simulator_begins_with_the_first_seed_unless_told_otherwise() {
    for (line, from) in [("sim --seeds 7", 0), ("sim --from 3 --seeds 7", 3)] {
        let Ok(Chore::Sim(seeds)) = parse_line(line) else {
            panic!("refused: {line}");
        };
        assert_eq!(seeds, sim::Seeds { from, count: 7 });
    }
}

#[test]
fn help_names_every_step() {
    for line in ["", "help", "-h", "test --help", "setup -h"] {
        assert!(matches!(parse_line(line), Ok(Chore::Help)), "{line}");
    }
    for step in STEPS {
        assert!(help().contains(step.name), "{}", step.name);
    }
}
