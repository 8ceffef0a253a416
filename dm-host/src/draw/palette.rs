//! The colours of lines.

/// A colour of 8 bits a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

/// Colours that are easy to tell apart, light enough for dark letters.
const FEW: [Rgb; 10] = [
    Rgb(0x8e, 0xc5, 0xf4),
    Rgb(0xf8, 0xc4, 0x71),
    Rgb(0x9b, 0xd9, 0xa3),
    Rgb(0xf3, 0xa1, 0xa1),
    Rgb(0xc7, 0xb0, 0xec),
    Rgb(0xf2, 0xe2, 0x7d),
    Rgb(0x8a, 0xdb, 0xd3),
    Rgb(0xf2, 0xb3, 0xd6),
    Rgb(0xc8, 0xd6, 0x7a),
    Rgb(0xd9, 0xbd, 0x9c),
];

/// What is free, or lies nowhere.
pub(super) const FREE: Rgb = Rgb(0xee, 0xef, 0xf1);

/// The colour of line `n` of `count`: one of its own while there are few, and else its place in a
/// rainbow from the first line to the last.
pub(super) fn of_line(n: usize, count: usize) -> Rgb {
    if count <= FEW.len() {
        return FEW[n % FEW.len()];
    }
    let hue = 210.0 + 300.0 * n as f64 / count as f64;
    from_hue(hue % 360.0)
}

/// A light colour of that hue, in degrees.
fn from_hue(hue: f64) -> Rgb {
    let channel = |shift: f64| {
        let distance = (hue - shift).rem_euclid(360.0);
        let distance = distance.min(360.0 - distance);
        let full = (2.0 - distance / 60.0).clamp(0.0, 1.0);
        (0x78 as f64 + full * (0xf4 - 0x78) as f64) as u8
    };
    Rgb(channel(0.0), channel(120.0), channel(240.0))
}

impl Rgb {
    /// The nearest of a terminal's 256 colours.
    pub(super) fn ansi(self) -> anstyle::Ansi256Color {
        let level = |channel: u8| match channel {
            0..48 => 0,
            48..115 => 1,
            _ => (channel - 35) / 40,
        };
        anstyle::Ansi256Color(16 + 36 * level(self.0) + 6 * level(self.1) + level(self.2))
    }
}

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}
