use super::*;

const LOG: &str = "
FIGURE linear 16 bare 100
FIGURE linear 16 stock 900
FIGURE linear 16 ours 130
FIGURE linear 16 bare 110
FIGURE linear 16 stock 150
FIGURE linear 16 ours 131
FIGURE linear 16 bare 900
FIGURE linear 16 stock 151
FIGURE linear 16 ours 900
FIGURE linear 4000 bare 100
";

#[test]
fn what_is_added_is_between_medians() {
    let rows = Vec::from_iter(parse(LOG));
    assert_eq!(rows.len(), 1, "a case without figures of all three is left out");
    assert_eq!((rows[0].bare, rows[0].stock, rows[0].ours), (110.0, 41.0, 21.0));
}

#[test]
fn json_has_the_shape_of_the_other_benchmarks() {
    assert_eq!(
        json(&Vec::from_iter(parse(LOG))),
        "[\n  {\"case\": \"linear\", \"targets\": 16, \"ours\": \"dmrs, added\", \"ours_ns\": 21.000, \
         \"peer\": \"Linux dm, added\", \"peer_ns\": 41.000, \"ratio\": 1.952}\n]\n"
    );
}
