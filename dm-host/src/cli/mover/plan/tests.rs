use super::*;

const TABLE: &str = "\
0 64 linear /a 0
64 8 zero
72 32 linear /b 8
104 100 linear /a 64
";

fn to() -> Place {
    Place { device: "/c".into(), sector: 1000 }
}

fn chosen(choice: &Choice) -> Vec<(usize, u64)> {
    let pieces = choice.pieces(TABLE, &to()).unwrap();
    pieces.iter().map(|piece| (piece.line, piece.to.sector)).collect()
}

fn refused(choice: Result<Choice, MoveError>, table: &str) -> String {
    choice.and_then(|choice| choice.pieces(table, &to())).unwrap_err().to_string()
}

#[test]
fn lines_go_one_behind_the_other() {
    assert_eq!(chosen(&Choice::All), [(1, 1000), (3, 1064), (4, 1096)]);
    assert_eq!(chosen(&Choice::parse("3-4").unwrap()), [(3, 1000), (4, 1032)]);
    assert_eq!(chosen(&Choice::parse("4,1").unwrap()), [(1, 1000), (4, 1064)]);
    assert_eq!(chosen(&Choice::From(Identity::of("/a"))), [(1, 1000), (4, 1064)]);
}

#[test]
fn what_cannot_be_chosen_is_refused() {
    for lines in ["", "0", "1-", "-1", "2-1", "1,,2", "x", "1 2"] {
        let expected = format!(
            "--lines: expected numbers and ranges of lines, such as 1,3-5, found `{lines}`"
        );
        assert_eq!(refused(Choice::parse(lines), TABLE), expected);
    }
    let striped = "0 16 striped 2 8 /a 0 /b 0\n";
    for (choice, table, expected) in [
        (Choice::parse("2-5"), TABLE, "--lines: the table has 4 lines, there is no line 5"),
        (Choice::parse("1-2"), TABLE, "line 2 is zero; only linear lines can be moved"),
        (Ok(Choice::All), striped, "line 1 is striped; only linear lines can be moved"),
        (
            Ok(Choice::From(Identity::of("/b"))),
            striped,
            "line 1 is striped; only linear lines can be moved",
        ),
        (Ok(Choice::From(Identity::of("/c"))), TABLE, "no line of the table lies on that device"),
        (Ok(Choice::All), "0 8 zero\n", "no line of the table is linear"),
    ] {
        assert_eq!(refused(choice, table), expected);
    }
}

#[test]
fn tables_on_the_way() {
    let piece = &Choice::parse("3").unwrap().pieces(TABLE, &to()).unwrap()[0];
    let during = TABLE.replace(
        "72 32 linear /b 8\n",
        "72 32 mirror core 1 1024 2 /b 8 /c 1000 1 handle_errors\n",
    );
    assert_eq!(piece.during(TABLE), during);
    assert_eq!(piece.after(TABLE), TABLE.replace("72 32 linear /b 8", "72 32 linear /c 1000"));
}

#[test]
fn a_long_line_has_larger_regions() {
    let mut piece = Choice::All.pieces("0 8 linear /a 0\n", &to()).unwrap().remove(0);
    for (length, region) in [(1 << 34, 1024), ((1 << 34) + 1, 1024), (1 << 40, 1 << 16)] {
        piece.length = length;
        assert!(piece.mirror().starts_with(&format!("mirror core 1 {region} 2 ")), "{length}");
    }
}
