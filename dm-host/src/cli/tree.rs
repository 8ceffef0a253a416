//! Devices, and below each the devices that it lies on.

use serde::Serialize;

use crate::control::DeviceInfo;

/// A device, mapped or not. As JSON its keys are those of the fields.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(super) struct Node {
    pub(super) name: String,
    /// The number of a mapped one.
    pub(super) minor: Option<u32>,
    pub(super) devices: Vec<Node>,
}

/// A tree for each device that no other lies on.
pub(super) fn of(infos: &[DeviceInfo]) -> Vec<Node> {
    let is_below = |info: &DeviceInfo| {
        let mut tables = infos.iter().flat_map(|upper| [&upper.table, &upper.inactive]).flatten();
        tables.any(|table| table.mapped.contains(&info.name))
    };
    let roots = infos.iter().filter(|info| !is_below(info));
    roots.map(|info| node(info, infos)).collect()
}

/// There are no circles of live tables, so this ends.
fn node(info: &DeviceInfo, infos: &[DeviceInfo]) -> Node {
    let table = info.table.as_ref();
    let below = |name: &String| {
        let is_mapped = table.is_some_and(|table| table.mapped.contains(name));
        let mapped = infos.iter().find(|info| is_mapped && info.name == *name);
        mapped.map_or_else(
            || Node { name: name.clone(), minor: None, devices: vec![] },
            |info| node(info, infos),
        )
    };
    Node {
        name: info.name.clone(),
        minor: Some(info.minor),
        devices: table.map_or(&[][..], |table| &table.devices).iter().map(below).collect(),
    }
}

/// The trees as text.
pub(super) fn drawn(roots: &[Node]) -> String {
    let mut text = String::new();
    for root in roots {
        draw(root, "", "", &mut text);
    }
    text
}

fn draw(node: &Node, first: &str, others: &str, text: &mut String) {
    text.push_str(first);
    text.push_str(&match node.minor {
        Some(minor) => format!("{} ({minor})\n", node.name),
        None => format!("({})\n", node.name),
    });
    for (n, device) in node.devices.iter().enumerate() {
        let is_last = n + 1 == node.devices.len();
        let (branch, trunk) = if is_last { (" └─", "   ") } else { (" ├─", " │ ") };
        draw(device, &format!("{others}{branch}"), &format!("{others}{trunk}"), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::TableInfo;

    fn device(name: &str, minor: u32, devices: &[&str], mapped: &[&str]) -> DeviceInfo {
        let owned = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        DeviceInfo {
            name: name.into(),
            minor,
            uuid: None,
            state: "active".into(),
            events: 1,
            open_count: 0,
            table: Some(TableInfo {
                lines: 1,
                sectors: 8,
                readonly: false,
                index: "array".into(),
                devices: owned(devices),
                mapped: owned(mapped),
            }),
            inactive: None,
        }
    }

    #[test]
    fn devices_stand_below_those_that_lie_on_them() {
        let infos = [
            device("low", 0, &["a.img", "b.img"], &[]),
            device("top", 1, &["low", "c.img"], &["low"]),
            device("lone", 2, &["low"], &[]),
        ];
        let expected = "\
top (1)
 ├─low (0)
 │  ├─(a.img)
 │  └─(b.img)
 └─(c.img)
lone (2)
 └─(low)
";
        assert_eq!(drawn(&of(&infos)), expected);
    }
}
