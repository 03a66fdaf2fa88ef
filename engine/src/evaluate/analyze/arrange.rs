//! The order of inner joins: every condition is checked as soon as its columns are there, and a source that
//! another one's values can find by hashing comes behind that one.

use crate::evaluate::coerce::same;
use crate::evaluate::expr::{Node, Typed};
use crate::evaluate::plan::{Item, Source};
use crate::types::Base;

/// Splits `a AND b AND c`.
pub(super) fn conjuncts(condition: Typed, out: &mut Vec<Typed>) {
    match condition.node {
        Node::And(parts) => parts.into_iter().for_each(|p| conjuncts(p, out)),
        _ => out.push(condition),
    }
}

fn columns(typed: &Typed, frame: usize) -> Vec<usize> {
    let mut found = Vec::new();
    typed.columns(frame, &mut |c| found.push(c));
    found
}

/// `column = value` where the column is the item's and the value needs only what `placed` has.
fn as_lookup(condition: &Typed, item: &Item, frame: usize, placed: &dyn Fn(usize) -> bool) -> Option<(usize, Typed)> {
    let Node::Call { function, args } = &condition.node else { return None };
    let [a, b] = args.as_slice() else { return None };
    if function.name != "=" || !same(a.ty, b.ty) || a.ty.base == Base::Bpchar || a.ty.base == Base::Record {
        return None;
    }
    [(a, b), (b, a)].into_iter().find_map(|(column, value)| {
        let Node::Column { frame: of, index } = column.node else { return None };
        let own = of == frame && (item.start..item.start + item.width).contains(&index);
        let ready = own && !value.has_subquery() && columns(value, frame).into_iter().all(placed);
        ready.then(|| (index - item.start, value.clone()))
    })
}

fn can_look_up(item: &Item) -> bool {
    matches!(item.source, Source::Table(_) | Source::Cte(_) | Source::Derived(_, false))
}

/// Gives an item the conditions that can be checked once it is placed.
pub(super) fn attach(item: &mut Item, conditions: Vec<Typed>, frame: usize, placed: &dyn Fn(usize) -> bool) {
    for condition in conditions {
        if can_look_up(item)
            && let Some(lookup) = as_lookup(&condition, item, frame, placed)
        {
            item.lookup.push(lookup);
        } else {
            item.filters.push(condition);
        }
    }
}

/// Orders inner joined items and attaches the conditions. What cannot be attached to any (a condition with a
/// subquery may need all of them) is returned. `before` are columns that are there already.
pub(super) fn arrange(
    items: Vec<Item>,
    mut conditions: Vec<Typed>,
    frame: usize,
    before: &dyn Fn(usize) -> bool,
) -> (Vec<Item>, Vec<Typed>) {
    let mut left: Vec<Item> = items;
    let mut done: Vec<Item> = Vec::new();
    let provided: Vec<(usize, usize)> = left.iter().map(|i| (i.start, i.start + i.width)).collect();
    let inside = |c: usize| provided.iter().any(|(from, to)| (*from..*to).contains(&c));
    while !left.is_empty() {
        let ranges: Vec<(usize, usize)> = done.iter().map(|i| (i.start, i.start + i.width)).collect();
        let placed = |c: usize| before(c) || ranges.iter().any(|(from, to)| (*from..*to).contains(&c));
        // What lies outside of these items is either there already or never will be.
        let ready = |item: &Item| {
            item.needs.iter().all(|c| placed(*c) || !inside(*c) || (item.start..item.start + item.width).contains(c))
        };
        let found = left
            .iter()
            .position(|item| {
                ready(item) && can_look_up(item) && conditions.iter().any(|c| as_lookup(c, item, frame, &placed).is_some())
            })
            .or_else(|| left.iter().position(ready))
            .unwrap_or(0);
        let mut item = left.remove(found);
        let range = item.start..item.start + item.width;
        let (now, later): (Vec<Typed>, Vec<Typed>) = conditions
            .into_iter()
            .partition(|c| !c.has_subquery() && columns(c, frame).into_iter().all(|i| placed(i) || range.contains(&i)));
        conditions = later;
        attach(&mut item, now, frame, &placed);
        done.push(item);
    }
    (done, conditions)
}
