use super::*;

fn figure(targets: usize, name: &str, ours: bool, ns: f64) -> Figure {
    Figure { case: "random".into(), targets, name: name.into(), ours, ns }
}

fn figures() -> [Figure; 4] {
    [
        figure(1, YARDSTICK, false, 4.0),
        figure(1, "Index", true, 2.0),
        figure(16, YARDSTICK, false, 9.0),
        figure(16, "Index", true, 3.0),
    ]
}

#[test]
fn ratios_are_peer_over_ours() {
    assert_eq!(
        json(&figures()[..2]),
        "[\n  {\"case\": \"random\", \"targets\": 1, \"ours\": \"Index\", \"ours_ns\": 2.000, \
         \"peer\": \"Linux model, C\", \"peer_ns\": 4.000, \"ratio\": 2.000}\n]\n"
    );
}

#[test]
fn a_row_a_name_and_a_column_a_size() {
    let table = table("random", &figures());
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["targets", "1", "16"]);
    assert_eq!(lines[3], "Index                       2.0 ( 2.00)    3.0 ( 3.00)");
}
