//! What is asked of texts: units, matches, sides.

/// What a length counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextUnit {
    /// Bytes: `octet_length`.
    Bytes,
    /// Characters, Unicode scalar values: `length`.
    Characters,
}

impl TextUnit {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Bytes, Self::Characters];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Characters => "characters",
        }
    }
}

/// How a text is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// It begins with the pattern.
    Prefix,
    /// It ends with the pattern.
    Suffix,
    /// The pattern is somewhere in it.
    Contains,
    /// The whole text is as the pattern says: `%` stands for any characters or none, `_` for one character, and `\` makes
    /// the byte behind it stand for itself, whatever it is. No pattern ends with a `\` that nothing follows. Whoever has
    /// another escape, or none, writes the pattern so before it is bound.
    Like,
}

impl MatchOp {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Prefix, Self::Suffix, Self::Contains, Self::Like];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
            Self::Contains => "contains",
            Self::Like => "like",
        }
    }
}

/// Where a text is trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrimSide {
    /// At both ends.
    Both,
    /// At its begin.
    Leading,
    /// At its end.
    Trailing,
}

impl TrimSide {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Both, Self::Leading, Self::Trailing];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Leading => "leading",
            Self::Trailing => "trailing",
        }
    }
}
