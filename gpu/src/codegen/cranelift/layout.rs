//! How the state of a group, a packed key and a row of a top-k lie in memory. The compiled code and the code that
//! merges and exports read the same description.

use crate::codegen::analysis::Facts;
use crate::program::{Aggregate, AggregateOp, BitOp, Domain, ExprId, Fault, Order, Type, ValueType};

/// The state of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateLayout {
    /// Bytes, a multiple of 8.
    pub size: usize,
    /// What is kept, each thing once.
    pub slots: Vec<Slot>,
    /// Which slot each aggregate reads.
    pub aggregates: Vec<usize>,
    /// The byte that is set once a row was there; where neither a count of rows nor a hash table says so.
    pub occupied: Option<usize>,
    /// The state before the first row.
    pub empty: Vec<u8>,
}

/// One thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What.
    pub op: SlotOp,
    /// Where.
    pub offset: usize,
    /// What says that it is not NULL.
    pub seen: Seen,
    /// Of which node.
    pub input: Option<ExprId>,
    /// Of which rows.
    pub filter: Option<ExprId>,
}

/// How a slot says that it has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It always has.
    Always,
    /// A row came to the group.
    Occupied,
    /// A byte of its own.
    Flag(usize),
}

/// What a slot keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotOp {
    /// The number of rows: a word.
    Rows,
    /// The number of values: a word.
    Count,
    /// A sum that fits, or wraps: a word.
    Sum64,
    /// A sum whose total must fit 64 bits: 16 bytes.
    Total64(Fault),
    /// A sum of 128 bits, that raises the fault where it does not fit.
    Sum128(Option<Fault>),
    /// A sum of floats: a word.
    SumFloat,
    /// The least value.
    Least(Type),
    /// The greatest value.
    Greatest(Type),
    /// A bit for each value of a domain.
    Distinct {
        /// The values.
        domain: Domain,
        /// Whether their sum is wanted, or their number.
        sum: bool,
    },
    /// The bits of values of a type, extended to a word.
    Bits(BitOp, Type),
    /// A count, a value of each input to measure from, the sum of the distances of each, and the sum of their products.
    Deviations {
        /// The second input.
        with: Option<ExprId>,
    },
}

impl SlotOp {
    fn bytes(self) -> usize {
        match self {
            Self::Rows | Self::Count | Self::Sum64 | Self::SumFloat | Self::Bits(..) => 8,
            Self::Deviations { with: None } => 32,
            Self::Deviations { with: Some(_) } => 48,
            Self::Total64(_) | Self::Sum128(_) => 16,
            Self::Least(ty) | Self::Greatest(ty) => ty.bytes().next_multiple_of(8),
            Self::Distinct { domain, .. } => (domain.size as usize).div_ceil(64).max(1) * 8,
        }
    }

    /// The input that stands in it, beside the slot's own.
    pub fn second(self) -> Option<ExprId> {
        match self {
            Self::Deviations { with } => with,
            Self::Rows
            | Self::Count
            | Self::Sum64
            | Self::Total64(_)
            | Self::Sum128(_)
            | Self::SumFloat
            | Self::Least(_)
            | Self::Greatest(_)
            | Self::Distinct { .. }
            | Self::Bits(..) => None,
        }
    }

    /// What an empty group holds, as the bytes of the slot.
    fn empty(self) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes()];
        let greatest = |ty: Type| match ty {
            Type::Bool => vec![1],
            Type::F32 => f32::NAN.to_le_bytes().to_vec(),
            Type::F64 => f64::NAN.to_le_bytes().to_vec(),
            Type::Text => vec![],
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 | Type::U8 | Type::U16 | Type::U32 => {
                ty.range().map_or(vec![], |(_, high)| high.to_le_bytes()[..ty.bytes()].to_vec())
            }
        };
        let least = |ty: Type| match ty {
            Type::Bool => vec![0],
            Type::F32 => f32::NEG_INFINITY.to_le_bytes().to_vec(),
            Type::F64 => f64::NEG_INFINITY.to_le_bytes().to_vec(),
            Type::Text => vec![],
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 | Type::U8 | Type::U16 | Type::U32 => {
                ty.range().map_or(vec![], |(low, _)| low.to_le_bytes()[..ty.bytes()].to_vec())
            }
        };
        let value = match self {
            Self::Least(ty) => greatest(ty),
            Self::Greatest(ty) => least(ty),
            Self::Bits(op, _) => op.identity().to_le_bytes().to_vec(),
            Self::Rows
            | Self::Count
            | Self::Sum64
            | Self::Total64(_)
            | Self::Sum128(_)
            | Self::SumFloat
            | Self::Distinct { .. }
            | Self::Deviations { .. } => vec![],
        };
        bytes[..value.len()].copy_from_slice(&value);
        bytes
    }
}

impl StateLayout {
    /// The layout of a sink's aggregates. `single`: there is one state, with or without rows; `hash`: a state exists
    /// only where a row came.
    pub fn of(aggregates: &[Aggregate], facts: &Facts, single: bool, hash: bool) -> Self {
        let mut layout = Self { size: 0, slots: vec![], aggregates: vec![], occupied: None, empty: vec![] };
        let mut known: Vec<(Aggregate, usize)> = vec![];
        let mut flags = vec![];
        for aggregate in aggregates {
            if let Some((_, slot)) = known.iter().find(|(other, _)| other == aggregate) {
                layout.aggregates.push(*slot);
                continue;
            }
            let input = aggregate.input.map(|id| facts.ty(id));
            let nullable = input.is_some_and(|ty| ty.nullable);
            let op = match aggregate.op {
                AggregateOp::Count if !nullable && aggregate.filter.is_none() => SlotOp::Rows,
                AggregateOp::Count => SlotOp::Count,
                AggregateOp::Sum { ty: Type::I128, fault } => SlotOp::Sum128(fault),
                AggregateOp::Sum { ty: Type::F64 | Type::F32, .. } => SlotOp::SumFloat,
                AggregateOp::Sum { fault: Some(fault), .. } => SlotOp::Total64(fault),
                AggregateOp::Sum { fault: None, .. } => SlotOp::Sum64,
                AggregateOp::Min => SlotOp::Least(input.map_or(Type::I64, |ty| ty.ty)),
                AggregateOp::Max => SlotOp::Greatest(input.map_or(Type::I64, |ty| ty.ty)),
                AggregateOp::CountDistinct(domain) => SlotOp::Distinct { domain, sum: false },
                AggregateOp::SumDistinct(domain) => SlotOp::Distinct { domain, sum: true },
                AggregateOp::Bits(op) => SlotOp::Bits(op, input.map_or(Type::I64, |ty| ty.ty)),
                AggregateOp::Deviations { with } => SlotOp::Deviations { with },
            };
            let always = match op {
                // Their emptiness shows in the value itself.
                SlotOp::Rows | SlotOp::Count | SlotOp::Distinct { .. } | SlotOp::Deviations { .. } => true,
                SlotOp::Sum64
                | SlotOp::Total64(_)
                | SlotOp::Sum128(_)
                | SlotOp::SumFloat
                | SlotOp::Least(_)
                | SlotOp::Greatest(_)
                | SlotOp::Bits(..) => false,
            };
            let seen = if always {
                Seen::Always
            } else if nullable || aggregate.filter.is_some() {
                flags.push(layout.slots.len());
                Seen::Flag(0)
            } else if single {
                Seen::Occupied
            } else {
                Seen::Always
            };
            layout.aggregates.push(layout.slots.len());
            known.push((aggregate.clone(), layout.slots.len()));
            // Counting rows evaluates its input no less: it may raise a fault.
            let input = aggregate.input.filter(|id| op != SlotOp::Rows || facts.can_fault(*id));
            layout.slots.push(Slot { op, offset: layout.empty.len(), seen, input, filter: aggregate.filter });
            layout.empty.extend(op.empty());
        }
        for slot in flags {
            layout.slots[slot].seen = Seen::Flag(layout.empty.len());
            layout.empty.push(0);
        }
        let counted = layout.slots.iter().any(|slot| slot.op == SlotOp::Rows);
        if !hash && !counted {
            layout.occupied = Some(layout.empty.len());
            layout.empty.push(0);
        }
        let size = layout.empty.len().next_multiple_of(8);
        layout.empty.resize(size, 0);
        layout.size = size;
        layout
    }

    /// Whether a state of zeros is an empty one.
    pub fn is_zero(&self) -> bool {
        self.empty.iter().all(|byte| *byte == 0)
    }
}

/// How the keys of a group lie in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLayout {
    /// How many words. The highest bit of the first says that the entry is taken.
    pub words: usize,
    /// Each key.
    pub fields: Vec<KeyField>,
    /// The words that are addresses of long texts: they are neither hashed nor compared, the texts are.
    pub addresses: Vec<usize>,
}

/// Where a key lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyField {
    /// The key.
    pub expr: ExprId,
    /// Its type.
    pub ty: ValueType,
    /// The word; 128 bits go on in the next one, a text in the next two.
    pub word: usize,
    /// The lowest bit.
    pub shift: u32,
    /// How many bits: 128, or at most 64.
    pub bits: u32,
    /// Whether the highest of them is a sign.
    pub signed: bool,
    /// Word and bit that say that it is NULL.
    pub null: Option<(usize, u32)>,
}

/// The bit that says that an entry is taken.
pub const TAKEN: u64 = 1 << 63;

impl KeyLayout {
    /// Packs the keys, in their order, each into the first word that has room.
    pub fn of(keys: &[ExprId], facts: &Facts) -> Self {
        let mut used = vec![0u32];
        // The first word keeps its highest bit.
        let room = |at: usize| if at == 0 { 63 } else { 64 };
        let mut place = |bits: u32| {
            let found = used.iter().enumerate().position(|(at, used)| used + bits <= room(at));
            let at = found.unwrap_or_else(|| {
                used.push(0);
                used.len() - 1
            });
            used[at] += bits.min(64);
            (at, used[at] - bits.min(64))
        };
        let (mut fields, mut addresses) = (vec![], vec![]);
        for expr in keys {
            let ty = facts.ty(*expr);
            let (bits, signed) = key_bits(ty.ty, facts.interval(*expr));
            let (word, shift) = if bits == 128 {
                // Two words of its own, one behind the other: nothing of 64 bits fits before them.
                let (word, _) = place(64);
                let (next, _) = place(64);
                debug_assert_eq!(next, word + 1);
                if ty.ty == Type::Text {
                    addresses.push(place(64).0);
                }
                (word, 0)
            } else {
                place(bits)
            };
            let null = ty.nullable.then(|| place(1));
            fields.push(KeyField { expr: *expr, ty, word, shift, bits, signed, null });
        }
        Self { words: used.len(), fields, addresses }
    }
}

/// How many bits a key takes, and whether it has a sign.
fn key_bits(ty: Type, interval: Option<(i128, i128)>) -> (u32, bool) {
    let Some((low, high)) = interval else { return (ty.bits(), false) };
    let magnitude = |value: i128| 128 - (if value < 0 { !value } else { value }).leading_zeros();
    let (bits, signed) = if low >= 0 { (magnitude(high), false) } else { (magnitude(low).max(magnitude(high)) + 1, true) };
    match bits {
        0 => (1, signed),
        1..=64 => (bits, signed),
        _ => (128, signed),
    }
}

/// How a top-k's row lies: its order as words that compare as unsigned numbers, then its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLayout {
    /// Bytes of a row, a multiple of 8.
    pub stride: usize,
    /// How many words the order takes.
    pub words: usize,
    /// Each key of the order.
    pub order: Vec<OrderField>,
    /// Of each key that is a text the word with its address, behind that of its begin and in front of that of its length; and
    /// whether the greatest comes first.
    pub texts: Vec<(usize, bool)>,
    /// The columns.
    pub columns: Vec<RowColumn>,
}

/// Where a key of an order lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderField {
    /// The key.
    pub order: Order,
    /// Its type.
    pub ty: ValueType,
    /// Word and bit of the NULL.
    pub null: Option<(usize, u32)>,
    /// The word; 128 bits go on in the next one, the higher half first. Of a text, its begin.
    pub word: usize,
    /// The lowest bit.
    pub shift: u32,
    /// How many bits: of a text 63 beside a bit of NULL.
    pub bits: u32,
}

/// A column of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowColumn {
    /// The column.
    pub expr: ExprId,
    /// Its type.
    pub ty: ValueType,
    /// Where its value is.
    pub offset: usize,
    /// Where the byte is that says that it is not NULL.
    pub valid: Option<usize>,
}

impl RowLayout {
    /// Packs the keys from the highest bit of the first word on.
    pub fn of(order: &[Order], columns: &[ExprId], facts: &Facts) -> Self {
        let (mut words, mut left) = (0usize, 0u32);
        let mut place = |bits: u32| {
            if left < bits {
                words += 1;
                left = 64;
            }
            left -= bits;
            (words - 1, left)
        };
        let (mut fields, mut texts) = (vec![], vec![]);
        for key in order {
            let ty = facts.ty(key.expr);
            let null = ty.nullable.then(|| place(1));
            let bits = match ty.ty {
                Type::Text => 64 - u32::from(ty.nullable),
                other => other.bits(),
            };
            let (word, shift) = match bits {
                128 => {
                    let (word, _) = place(64);
                    place(64);
                    (word, 0)
                }
                bits => place(bits),
            };
            if ty.ty == Type::Text {
                texts.push((place(64).0, key.descending));
                place(64);
            }
            fields.push(OrderField { order: key.clone(), ty, null, word, shift, bits });
        }
        let words = words.max(1);
        let mut offset = words * 8;
        let mut places = vec![];
        for expr in columns {
            let ty = facts.ty(*expr);
            let bytes = ty.ty.bytes();
            offset = offset.next_multiple_of(bytes.min(8));
            places.push(RowColumn { expr: *expr, ty, offset, valid: None });
            offset += bytes;
        }
        for place in &mut places {
            if place.ty.nullable {
                place.valid = Some(offset);
                offset += 1;
            }
        }
        Self { stride: offset.next_multiple_of(8), words, order: fields, texts, columns: places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::text::parse;
    use crate::program::{Sink, Strategy};
    use crate::testing::{Random, generate};

    /// The state of a group, of these aggregates over %0, an `i32`, %1, one that can be NULL, and %2, a `bool`.
    fn state(aggregates: &str, hash: bool) -> StateLayout {
        let (strategy, keys) = if hash { ("hash", "    key %0\n") } else { ("single", "") };
        let aggregates = aggregates.split(", ").map(|aggregate| format!("    {aggregate}\n"));
        let text = format!(
            "pipeline\n  column 0 i32\n  column 1 i32 nullable\n  column 2 bool\n  %0 = column 0\n  %1 = column 1\n  \
             %2 = column 2\n  %3 = divide %0 %0\n  body\n    emit\n  group {strategy}\n{keys}{}",
            aggregates.collect::<String>()
        );
        let pipeline = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let Sink::Group { aggregates, .. } = &pipeline.sink else { unreachable!("it is a group") };
        StateLayout::of(aggregates, &Facts::of(&pipeline).unwrap(), !hash, hash)
    }

    #[test]
    fn the_same_is_kept_once() {
        let layout = state("sum i64 %0, min %0, sum i64 %0, sum i64 %0 if %2", false);
        assert_eq!((layout.slots.len(), layout.aggregates), (3, vec![0, 1, 0, 2]));
    }

    /// Rows are counted where every row counts; only an input that may raise is looked at then.
    #[test]
    fn rows_are_counted_as_rows() {
        for (count, op, input) in [
            ("count", SlotOp::Rows, false),
            ("count %0", SlotOp::Rows, false),
            ("count %3", SlotOp::Rows, true),
            ("count %1", SlotOp::Count, true),
            ("count if %2", SlotOp::Count, false),
            ("count %0 if %2", SlotOp::Count, true),
        ] {
            let slot = &state(count, false).slots[0];
            assert_eq!((slot.op, slot.input.is_some(), slot.seen), (op, input, Seen::Always), "{count}");
        }
    }

    /// A value shows that it is there by a flag where rows may be without one; else a row does, or the group itself.
    #[test]
    fn flags_are_kept_where_nothing_else_tells() {
        for (aggregates, hash, seen, occupied) in [
            ("sum i64 %0", false, Seen::Occupied, Some(8)),
            ("sum i64 %0, count", false, Seen::Occupied, None),
            ("sum i64 %0", true, Seen::Always, None),
            ("sum i64 %1", false, Seen::Flag(8), Some(9)),
            ("min %0 if %2", true, Seen::Flag(8), None),
            ("count_distinct 0 64 %1", false, Seen::Always, Some(8)),
        ] {
            let layout = state(aggregates, hash);
            assert_eq!((layout.slots[0].seen, layout.occupied), (seen, occupied), "{aggregates}");
        }
    }

    #[test]
    fn an_empty_state_is_zeros_where_it_can_be() {
        for (aggregates, zero) in
            [("count", true), ("sum i64 %1, count_distinct 0 5 %0", true), ("min %0", false), ("max %0", false)]
        {
            assert_eq!(state(aggregates, false).is_zero(), zero, "{aggregates}");
        }
    }

    /// Asserts that ranges, each its beginning and its length, are apart and end by `end`.
    fn apart(mut ranges: Vec<(usize, usize)>, end: usize, context: &dyn Fn() -> String) {
        ranges.sort_unstable();
        let ends = ranges.iter().map(|(begin, length)| begin + length);
        let begins = ranges.iter().skip(1).map(|(begin, _)| *begin).chain([end]);
        assert!(ends.zip(begins).all(|(end, begin)| end <= begin), "{ranges:?} to {end}: {}", context());
    }

    fn check_state(layout: &StateLayout, context: &dyn Fn() -> String) {
        let flag = |slot: &Slot| if let Seen::Flag(at) = slot.seen { Some((at, 1)) } else { None };
        let slots = layout.slots.iter().flat_map(|slot| [Some((slot.offset, slot.op.bytes())), flag(slot)]);
        let all = slots.chain([layout.occupied.map(|at| (at, 1))]).flatten().collect();
        apart(all, layout.size, context);
        assert!(layout.size.is_multiple_of(8) && layout.empty.len() == layout.size, "{}", context());
        assert!(layout.slots.iter().all(|slot| slot.offset.is_multiple_of(8)), "{}", context());
    }

    /// Keys have bits of their own, enough of them for all they can be, and none has that which says that an entry is taken.
    fn check_keys(layout: &KeyLayout, facts: &Facts, context: &dyn Fn() -> String) {
        let bit = |(word, bit): (usize, u32)| word * 64 + bit as usize;
        let ranges = layout
            .fields
            .iter()
            .flat_map(|field| [Some((bit((field.word, field.shift)), field.bits as usize)), field.null.map(|at| (bit(at), 1))]);
        apart(ranges.flatten().chain([(63, 1)]).collect(), layout.words * 64, context);
        for field in &layout.fields {
            assert!(field.bits == 128 || field.shift + field.bits <= 64, "{}", context());
            assert!(field.null.is_some() == field.ty.nullable, "{}", context());
            if let (Some((low, high)), true) = (facts.interval(field.expr), field.bits < 128) {
                let (least, past) =
                    if field.signed { (-1 << (field.bits - 1), 1 << (field.bits - 1)) } else { (0, 1 << field.bits) };
                assert!(least <= low && high < past, "{} bits for {low} to {high}: {}", field.bits, context());
            }
        }
    }

    fn check_row(layout: &RowLayout, context: &dyn Fn() -> String) {
        let bit = |word: usize, shift: u32| word * 64 + shift as usize;
        let order = layout.order.iter().flat_map(|field| {
            // A text has its begin, and two words behind it.
            let value = match (field.ty.ty, field.ty.ty.bits()) {
                (Type::Text, _) => (bit(field.word, field.shift), field.bits as usize),
                (_, 128) => (bit(field.word, 0), 128),
                (_, bits) => (bit(field.word, field.shift), bits as usize),
            };
            let text = (field.ty.ty == Type::Text).then(|| (bit(field.word + 1, 0), 128));
            [Some(value), text, field.null.map(|(word, shift)| (bit(word, shift), 1))]
        });
        apart(order.flatten().collect(), layout.words * 64, context);
        let columns = layout.columns.iter().flat_map(|column| {
            assert!(column.offset.is_multiple_of(column.ty.ty.bytes().min(8)), "{}", context());
            [Some((column.offset, column.ty.ty.bytes())), column.valid.map(|at| (at, 1))]
        });
        apart(columns.flatten().chain([(0, layout.words * 8)]).collect(), layout.stride, context);
        assert!(layout.stride.is_multiple_of(8), "{}", context());
    }

    #[test]
    fn nothing_overlaps() {
        for seed in 0..1000 {
            let pipeline = generate(&mut Random::new(seed)).pipeline;
            let facts = Facts::of(&pipeline).unwrap();
            let context = || format!("seed {seed}\n{pipeline}");
            match &pipeline.sink {
                Sink::Group { keys, aggregates, strategy } => {
                    let hash = *strategy == Strategy::Hash;
                    check_state(&StateLayout::of(aggregates, &facts, *strategy == Strategy::Single, hash), &context);
                    if hash {
                        let keys: Vec<ExprId> = keys.iter().map(|key| key.expr).collect();
                        check_keys(&KeyLayout::of(&keys, &facts), &facts, &context);
                    }
                }
                Sink::TopK { order, columns, .. } => check_row(&RowLayout::of(order, columns, &facts), &context),
                Sink::Materialize { .. } | Sink::Bitmap | Sink::Mark { .. } => {}
            }
        }
    }

    /// A key takes the bits that its values need.
    #[test]
    fn keys_are_narrow() {
        for (ty, interval, bits) in [
            (Type::I32, (0, 0), (1, false)),
            (Type::I32, (0, 1), (1, false)),
            (Type::I32, (0, 255), (8, false)),
            (Type::I32, (0, 256), (9, false)),
            (Type::I32, (-1, 0), (1, true)),
            (Type::I32, (-128, 127), (8, true)),
            (Type::I32, (-129, 0), (9, true)),
            (Type::I32, (-1, 128), (9, true)),
            (Type::I64, (i64::MIN.into(), i64::MAX.into()), (64, true)),
            (Type::I128, (0, u64::MAX.into()), (64, false)),
            (Type::I128, (-1, u64::MAX.into()), (128, true)),
        ] {
            assert_eq!(key_bits(ty, Some(interval)), bits, "{interval:?}");
        }
        assert_eq!((key_bits(Type::Bool, None), key_bits(Type::F64, None)), ((1, false), (64, false)));
    }
}
