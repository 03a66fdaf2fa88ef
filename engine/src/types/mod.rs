//! PostgreSQL's types and the Arrow types that carry them: one table.
//!
//! A column's PostgreSQL type travels as Arrow field metadata under [`TYPE_KEY`] (`varchar(25)`,
//! `numeric(15,2)`, `uuid`); a field without it has the type that [`SqlType::of_arrow`] gives.
//! Object identifiers are those of PostgreSQL's `pg_type.dat`.
//!
//! # Adding a type
//!
//! Add a variant to [`Base`] and a row to [`TYPES`]; then the exhaustive matches in `text.rs`, in
//! `wire/src/types` and in `evaluate` say what else it needs.

pub mod numeric;
pub mod text;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// The metadata key under which a field's PostgreSQL type is kept.
pub const TYPE_KEY: &str = "pg.type";

/// The metadata key that says how many digits of a numeric column are shown; see `function::arithmetic` for quotients.
pub const QUOTIENT_KEY: &str = "pg.div";

/// The value of [`QUOTIENT_KEY`] for a numeric without a scale of its own: zeros at the end are not shown.
pub const TRIM: &str = "trim";

/// A PostgreSQL base type (arrays are [`SqlType::array`] over one of these).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// `boolean`
    Bool,
    /// `bytea`
    Bytea,
    /// `"char"`, one byte
    Char,
    /// `name`
    Name,
    /// `bigint`
    Int8,
    /// `smallint`
    Int2,
    /// `int2vector`
    Int2Vector,
    /// `integer`
    Int4,
    /// `regproc`
    RegProc,
    /// `text`
    Text,
    /// `oid`
    Oid,
    /// `tid`
    Tid,
    /// `xid`
    Xid,
    /// `oidvector`
    OidVector,
    /// `json`
    Json,
    /// `pg_node_tree`
    NodeTree,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `unknown`: a string literal whose type is not yet decided
    Unknown,
    /// `"char"[]`-like access list entries, kept as text
    AclItem,
    /// `character(n)`
    Bpchar,
    /// `character varying(n)`
    Varchar,
    /// `date`
    Date,
    /// `time without time zone`
    Time,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    Timestamptz,
    /// `interval`
    Interval,
    /// `numeric`
    Numeric,
    /// `regclass`
    RegClass,
    /// `regtype`
    RegType,
    /// `regnamespace`
    RegNamespace,
    /// `record`
    Record,
    /// `void`
    Void,
    /// `uuid`
    Uuid,
    /// `jsonb`
    Jsonb,
}

/// One row of the type table.
#[derive(Debug, Clone, Copy)]
pub struct TypeRow {
    /// Which type.
    pub base: Base,
    /// `pg_type.oid`.
    pub oid: u32,
    /// `pg_type.typname`.
    pub name: &'static str,
    /// What `format_type` prints, without modifiers.
    pub sql_name: &'static str,
    /// `pg_type.typarray`; 0 where there is none.
    pub array_oid: u32,
    /// `pg_type.typlen`.
    pub length: i16,
    /// `pg_type.typcategory`.
    pub category: char,
}

macro_rules! types {
    ($($base:ident $oid:literal $name:literal $sql:literal $array:literal $len:literal $cat:literal;)*) => {
        /// Every type, in the order of [`Base`].
        pub const TYPES: &[TypeRow] = &[$(TypeRow { base: Base::$base, oid: $oid, name: $name, sql_name: $sql,
            array_oid: $array, length: $len, category: $cat }),*];
    };
}

types! {
    Bool 16 "bool" "boolean" 1000 1 'B';
    Bytea 17 "bytea" "bytea" 1001 -1 'U';
    Char 18 "char" "\"char\"" 1002 1 'Z';
    Name 19 "name" "name" 1003 64 'S';
    Int8 20 "int8" "bigint" 1016 8 'N';
    Int2 21 "int2" "smallint" 1005 2 'N';
    Int2Vector 22 "int2vector" "int2vector" 1006 -1 'A';
    Int4 23 "int4" "integer" 1007 4 'N';
    RegProc 24 "regproc" "regproc" 1008 4 'N';
    Text 25 "text" "text" 1009 -1 'S';
    Oid 26 "oid" "oid" 1028 4 'N';
    Tid 27 "tid" "tid" 1010 6 'U';
    Xid 28 "xid" "xid" 1011 4 'U';
    OidVector 30 "oidvector" "oidvector" 1013 -1 'A';
    Json 114 "json" "json" 199 -1 'U';
    NodeTree 194 "pg_node_tree" "pg_node_tree" 0 -1 'Z';
    Float4 700 "float4" "real" 1021 4 'N';
    Float8 701 "float8" "double precision" 1022 8 'N';
    Unknown 705 "unknown" "unknown" 0 -2 'X';
    AclItem 1033 "aclitem" "aclitem" 1034 12 'U';
    Bpchar 1042 "bpchar" "character" 1014 -1 'S';
    Varchar 1043 "varchar" "character varying" 1015 -1 'S';
    Date 1082 "date" "date" 1182 4 'D';
    Time 1083 "time" "time without time zone" 1183 8 'D';
    Timestamp 1114 "timestamp" "timestamp without time zone" 1115 8 'D';
    Timestamptz 1184 "timestamptz" "timestamp with time zone" 1185 8 'D';
    Interval 1186 "interval" "interval" 1187 16 'T';
    Numeric 1700 "numeric" "numeric" 1231 -1 'N';
    RegClass 2205 "regclass" "regclass" 2210 4 'N';
    RegType 2206 "regtype" "regtype" 2211 4 'N';
    RegNamespace 4089 "regnamespace" "regnamespace" 4090 4 'N';
    Record 2249 "record" "record" 2287 -1 'P';
    Void 2278 "void" "void" 0 4 'P';
    Uuid 2950 "uuid" "uuid" 2951 16 'U';
    Jsonb 3802 "jsonb" "jsonb" 3807 -1 'U';
}

/// A PostgreSQL type: a base type or an array of one, with its modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlType {
    /// The base type, or the element type of an array.
    pub base: Base,
    /// Whether this is an array of `base`.
    pub array: bool,
    /// `atttypmod`: -1 where there is none; `n + 4` for `varchar(n)`; `(p << 16 | s) + 4` for `numeric(p,s)`;
    /// the digits of a second for times.
    pub typmod: i32,
}

impl From<Base> for SqlType {
    fn from(base: Base) -> Self {
        Self { base, array: false, typmod: -1 }
    }
}

impl Base {
    /// This type's row in the table.
    pub fn row(self) -> &'static TypeRow {
        &TYPES[self as usize]
    }

    /// The type of that `typname` or SQL name, in lower case and without modifiers.
    pub fn named(name: &str) -> Option<Base> {
        let by_row = TYPES.iter().find(|t| t.name == name || t.sql_name == name).map(|t| t.base);
        by_row.or(match name {
            "int" => Some(Base::Int4),
            "decimal" | "dec" => Some(Base::Numeric),
            "float" => Some(Base::Float8),
            "char" | "nchar" => Some(Base::Bpchar),
            "string" => Some(Base::Text),
            _ => None,
        })
    }
}

impl SqlType {
    /// An array of `base`.
    pub fn array(base: Base) -> Self {
        Self { base, array: true, typmod: -1 }
    }

    /// The same type with a modifier.
    pub fn with_typmod(self, typmod: i32) -> Self {
        Self { typmod, ..self }
    }

    /// `numeric(precision, scale)`.
    pub fn numeric(precision: u8, scale: i8) -> Self {
        Self::from(Base::Numeric).with_typmod(((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4)
    }

    /// `varchar(n)`.
    pub fn varchar(n: i32) -> Self {
        Self::from(Base::Varchar).with_typmod(n + 4)
    }

    /// Precision and scale of a `numeric` that has a modifier.
    pub fn precision_scale(self) -> Option<(u8, i8)> {
        (self.base == Base::Numeric && self.typmod >= 4).then(|| {
            let modifier = self.typmod - 4;
            (((modifier >> 16) & 0xffff) as u8, (modifier & 0x7ff) as i8)
        })
    }

    /// The object identifier of this type.
    pub fn oid(self) -> u32 {
        let row = self.base.row();
        if self.array { row.array_oid } else { row.oid }
    }

    /// The type with that object identifier.
    pub fn of_oid(oid: u32) -> Option<Self> {
        TYPES.iter().find_map(|t| {
            if t.oid == oid {
                Some(Self::from(t.base))
            } else if t.array_oid == oid && oid != 0 {
                Some(Self::array(t.base))
            } else {
                None
            }
        })
    }

    /// As `format_type(oid, typmod)` prints it: `character varying(25)`, `numeric(15,2)`, `integer[]`.
    pub fn sql_name(self) -> String {
        let row = self.base.row();
        let mut name = match self.base {
            Base::Bpchar | Base::Varchar if self.typmod >= 4 => format!("{}({})", row.sql_name, self.typmod - 4),
            Base::Bpchar => "bpchar".to_owned(),
            Base::Numeric => match self.precision_scale() {
                Some((p, s)) => format!("numeric({p},{s})"),
                None => row.sql_name.to_owned(),
            },
            Base::Time | Base::Timestamp | Base::Timestamptz if self.typmod >= 0 => {
                let (head, tail) = row.sql_name.split_once(' ').unwrap_or((row.sql_name, ""));
                format!("{head}({}) {tail}", self.typmod)
            }
            _ => row.sql_name.to_owned(),
        };
        if self.array {
            name.push_str("[]");
        }
        name
    }

    /// Parses what [`SqlType::sql_name`] prints, and `typname`s with modifiers.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, array) = match text.strip_suffix("[]") {
            Some(element) => (element.trim_end(), true),
            None => (text, false),
        };
        let (name, modifiers) = match text.find('(') {
            Some(open) => {
                let close = text.find(')')?;
                let tail = text[close + 1..].trim();
                let name =
                    if tail.is_empty() { text[..open].trim().to_owned() } else { format!("{} {tail}", text[..open].trim()) };
                let modifiers: Option<Vec<i32>> = text[open + 1..close].split(',').map(|m| m.trim().parse().ok()).collect();
                (name, modifiers?)
            }
            None => (text.to_owned(), Vec::new()),
        };
        let base = Base::named(&name.to_ascii_lowercase())?;
        let typmod = match (base, modifiers.as_slice()) {
            (_, []) => -1,
            (Base::Numeric, [p]) => SqlType::numeric(u8::try_from(*p).ok()?, 0).typmod,
            (Base::Numeric, [p, s]) => SqlType::numeric(u8::try_from(*p).ok()?, i8::try_from(*s).ok()?).typmod,
            (Base::Bpchar | Base::Varchar, [n]) => n + 4,
            (Base::Time | Base::Timestamp | Base::Timestamptz | Base::Interval, [n]) => *n,
            (_, _) => return None,
        };
        Some(Self { base, array, typmod })
    }

    /// The PostgreSQL type of an Arrow field: its metadata, or what its Arrow type gives.
    pub fn of_field(field: &Field) -> Self {
        let plain = Self::of_arrow(field.data_type());
        // Metadata outlives casts inside DataFusion: it counts only where it fits the values.
        match field.metadata().get(TYPE_KEY).and_then(|text| Self::parse(text)) {
            Some(declared) if declared.fits(field.data_type()) => match (declared.precision_scale(), field.data_type()) {
                (Some((_, scale)), DataType::Decimal128(_, actual) | DataType::Decimal256(_, actual)) if scale != *actual => {
                    plain
                }
                (_, _) => declared,
            },
            Some(_) | None => plain,
        }
    }

    /// Whether values of that Arrow type can be values of this type.
    fn fits(self, data_type: &DataType) -> bool {
        let own = self.arrow();
        let plain = Self::of_arrow(data_type);
        let text = |t: &DataType| Self::of_arrow(t).base == Base::Text && !Self::of_arrow(t).array;
        let numeric_text = self.base == Base::Numeric && !self.array && text(data_type);
        own == *data_type
            || numeric_text
            || (text(&own) && text(data_type) && !self.array)
            || (plain.base == Self::of_arrow(&own).base && plain.array == self.array)
    }

    /// The PostgreSQL type that an Arrow type without metadata stands for.
    pub fn of_arrow(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Base::Bool.into(),
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Base::Int2.into(),
            DataType::UInt16 | DataType::Int32 => Base::Int4.into(),
            DataType::UInt32 | DataType::Int64 => Base::Int8.into(),
            DataType::UInt64
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Base::Numeric.into(),
            DataType::Float16 | DataType::Float32 => Base::Float4.into(),
            DataType::Float64 => Base::Float8.into(),
            DataType::Date32 => Base::Date.into(),
            DataType::Date64 | DataType::Timestamp(_, None) => Base::Timestamp.into(),
            DataType::Timestamp(_, Some(_)) => Base::Timestamptz.into(),
            DataType::Time32(_) | DataType::Time64(_) => Base::Time.into(),
            DataType::Duration(_) | DataType::Interval(_) => Base::Interval.into(),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Base::Bytea.into(),
            DataType::List(element)
            | DataType::LargeList(element)
            | DataType::ListView(element)
            | DataType::LargeListView(element)
            | DataType::FixedSizeList(element, _) => {
                let element = Self::of_field(element);
                if element.array { element } else { Self::array(element.base) }
            }
            DataType::Dictionary(_, value) => Self::of_arrow(value),
            DataType::RunEndEncoded(_, value) => Self::of_field(value),
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Null
            | DataType::Struct(_)
            | DataType::Union(..)
            | DataType::Map(..) => Base::Text.into(),
        }
    }

    /// The Arrow type in which values of this type are computed and stored.
    pub fn arrow(self) -> DataType {
        if self.array {
            let element = Self { base: self.base, array: false, typmod: self.typmod };
            return DataType::List(Arc::new(Field::new_list_field(element.arrow(), true)));
        }
        match self.base {
            Base::Bool => DataType::Boolean,
            Base::Bytea => DataType::Binary,
            Base::Int2 => DataType::Int16,
            Base::Int4 => DataType::Int32,
            Base::Int8 => DataType::Int64,
            Base::Oid | Base::Xid | Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => DataType::UInt32,
            Base::Float4 => DataType::Float32,
            Base::Float8 => DataType::Float64,
            Base::Date => DataType::Date32,
            Base::Time => DataType::Time64(TimeUnit::Microsecond),
            Base::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Base::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Base::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Base::Numeric => {
                let (precision, scale) = self.precision_scale().unwrap_or((38, 10));
                if precision <= 38 {
                    DataType::Decimal128(precision, scale)
                } else {
                    DataType::Decimal256(precision.min(76), scale)
                }
            }
            Base::Uuid => DataType::FixedSizeBinary(16),
            Base::Char
            | Base::Name
            | Base::Int2Vector
            | Base::Text
            | Base::Tid
            | Base::OidVector
            | Base::Json
            | Base::NodeTree
            | Base::Unknown
            | Base::AclItem
            | Base::Bpchar
            | Base::Varchar
            | Base::Record
            | Base::Void
            | Base::Jsonb => DataType::Utf8,
        }
    }

    /// A field of this type, its PostgreSQL type in the metadata.
    pub fn field(self, name: &str, nullable: bool) -> Field {
        let mut metadata = std::collections::HashMap::new();
        // What the Arrow type says anyway is not said again: DataFusion compares metadata in places.
        if Self::of_arrow(&self.arrow()) != self || self.base == Base::Numeric {
            metadata.insert(TYPE_KEY.to_owned(), self.sql_name());
        }
        if self == Self::from(Base::Numeric) {
            metadata.insert(QUOTIENT_KEY.to_owned(), TRIM.to_owned());
        }
        Field::new(name, self.arrow(), nullable).with_metadata(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_the_order_of_the_enum() {
        for (at, row) in TYPES.iter().enumerate() {
            assert_eq!(row.base as usize, at, "{}", row.name);
        }
    }

    #[test]
    fn names_parse_back() {
        for row in TYPES {
            let plain = SqlType::from(row.base);
            assert_eq!(SqlType::parse(&plain.sql_name()), Some(plain), "{}", row.name);
        }
        for text in ["numeric(15,2)", "character varying(25)", "timestamp(3) without time zone", "integer[]"] {
            assert_eq!(SqlType::parse(text).unwrap().sql_name(), text);
        }
    }
}
