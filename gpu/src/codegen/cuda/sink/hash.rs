//! Groups by hash: how a row's keys become a slot.

use crate::codegen::cuda::layout::{Place, State};
use crate::codegen::cuda::text::Header;
use crate::codegen::cuda::{GATHER, GROW, Generator};
use crate::program::{Key, Type};

impl Generator<'_> {
    /// Declares `cells`, the cells of the row's group.
    pub(super) fn hash_find(&mut self, keys: &[Key]) {
        self.writer.need(Header::HashTable);
        self.writer.need(Header::Order);
        let State::Groups { place, .. } = self.state.clone() else { return };
        let bits = |generator: &Self, key: &Key| {
            let value = format!("key_bits({})", generator.nodes.value(key.expr));
            match generator.nodes.null(key.expr) {
                None => (value, None),
                Some(null) => (format!("({null} ? 0ull : {value})"), Some(null)),
            }
        };
        let texts = place.text_words();
        match place {
            Place::Single | Place::Dense { .. } => {}
            Place::Packed { keys: places } => {
                let mut parts = Vec::new();
                for (key, (ty, first)) in keys.iter().zip(&places) {
                    let (value, null) = bits(self, key);
                    parts.push(format!("{value} << {first}"));
                    parts.extend(null.map(|null| format!("(u64)({null}) << {}", first + ty.ty.bits())));
                }
                self.writer.line(format!("const u64 key = {};", parts.join(" | ")));
                self.writer.line("u64* cells = find_packed<WIDTH>(slots, mask, groups, key);");
            }
            Place::Wide { keys: types, words } => {
                let mut parts = Vec::new();
                if types.iter().any(|ty| ty.nullable) {
                    let nulls = keys
                        .iter()
                        .enumerate()
                        .filter_map(|(at, key)| self.nodes.null(key.expr).map(|null| format!("(u64)({null}) << {at}")));
                    parts.push(nulls.collect::<Vec<_>>().join(" | "));
                }
                for (key, ty) in keys.iter().zip(&types) {
                    if ty.ty == Type::Text {
                        let (value, null) = (self.nodes.value(key.expr), self.nodes.null(key.expr));
                        for half in [format!("(u64){value}.at"), format!("{value}.length")] {
                            parts.push(null.as_ref().map_or(half.clone(), |null| format!("({null} ? 0ull : {half})")));
                        }
                    } else if ty.ty == Type::I128 {
                        let value = self.nodes.value(key.expr);
                        let null = self.nodes.null(key.expr);
                        for half in [format!("(u64){value}"), format!("(u64)((u128){value} >> 64)")] {
                            parts.push(null.as_ref().map_or(half.clone(), |null| format!("({null} ? 0ull : {half})")));
                        }
                    } else {
                        parts.push(bits(self, key).0);
                    }
                }
                self.writer.line(format!("const u64 key[{words}] = {{ {} }};", parts.join(", ")));
                let texts = texts.iter().fold(0u64, |all, word| all | 1 << word);
                let find =
                    if texts == 0 { format!("find_wide<WIDTH, {words}>") } else { format!("find_texts<WIDTH, {texts}ull>") };
                self.writer.line(format!("u64* cells = {find}(slots, mask, groups, key);"));
            }
        }
    }

    /// The kernels that grow a table and list its groups.
    pub(super) fn hash_extras(&mut self) {
        let State::Groups { place, .. } = &self.state else { return };
        let packed = match place {
            Place::Single | Place::Dense { .. } => return,
            Place::Packed { .. } => true,
            Place::Wide { .. } => false,
        };
        let w = &mut self.writer;
        w.line("");
        w.line("extern \"C\" __global__ void __launch_bounds__(BLOCK, 4)");
        w.open(format!("{GROW}(const u64* from, u64 capacity, u64* to, u64 mask)"));
        w.line(format!("grow_table<WIDTH, {packed}>(from, capacity, to, mask);"));
        w.close();
        w.line("");
        w.line("extern \"C\" __global__ void __launch_bounds__(BLOCK, 4)");
        w.open(format!("{GATHER}(const u64* from, u64 capacity, u64* to, u64* count)"));
        w.line("gather_table<WIDTH>(from, capacity, to, count);");
        w.close();
    }
}
