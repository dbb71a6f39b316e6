//! Weaves mutants into a file: wherever one is, the code asks which is chosen.
//!
//! An operator becomes `match mutant() { 17 => a - b, _ => a + b }`, a function begins with
//! `if mutant() == 18 { return 0; }`. Places are those of the original text, which the parser keeps.

use crate::list::{Change, Mutant};
use proc_macro2::LineColumn;
use std::collections::{HashMap, HashSet};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Stmt, parse_quote};

/// The text of a file with these mutants in it, and which could be woven.
pub(crate) fn weave(text: &str, ask: &syn::Path, mutants: &[&Mutant]) -> syn::Result<(String, HashSet<u32>)> {
    let mut file = syn::parse_file(text)?;
    let mut by_place: HashMap<(usize, usize), Vec<(u32, Change)>> = HashMap::new();
    for mutant in mutants {
        by_place.entry(mutant.place).or_default().push((mutant.id, mutant.change.clone()));
    }
    let mut weaver = Weaver { by_place, ask, woven: HashSet::new() };
    weaver.visit_file_mut(&mut file);
    Ok((prettyplease::unparse(&file), weaver.woven))
}

struct Weaver<'a> {
    /// What tells which is chosen.
    ask: &'a syn::Path,
    by_place: HashMap<(usize, usize), Vec<(u32, Change)>>,
    woven: HashSet<u32>,
}

impl Weaver<'_> {
    /// The mutants of one kind at a place.
    fn at<R>(&self, place: LineColumn, of: impl Fn(&Change) -> Option<R>) -> Vec<(u32, R)> {
        let here = self.by_place.get(&(place.line, place.column + 1));
        here.into_iter().flatten().filter_map(|(id, change)| Some((*id, of(change)?))).collect()
    }

    fn function(&mut self, block: &mut Block) {
        let begins = block.stmts.first().map(|stmt| stmt.span().start());
        visit_mut::visit_block_mut(self, block);
        let Some(begins) = begins else { return };
        let returns = self.at(begins, |change| match change {
            Change::Returns(value) => syn::parse_str::<Expr>(value).ok(),
            _ => None,
        });
        for (id, value) in returns.into_iter().rev() {
            self.woven.insert(id);
            let ask = self.ask;
            let first: Stmt = parse_quote! { if #ask() == #id { return #value; } };
            block.stmts.insert(0, first);
        }
    }

    /// `original`, or one of the `others` when it is chosen.
    fn choice(&mut self, original: Expr, others: Vec<(u32, Expr)>) -> Expr {
        let (ids, exprs): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        self.woven.extend(&ids);
        let ask = self.ask;
        parse_quote! { (match #ask() { #(#ids => #exprs,)* _ => #original }) }
    }
}

/// Whether a `let` is part of the condition, which then cannot be moved.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        Expr::Paren(paren) => has_let(&paren.expr),
        _ => false,
    }
}

impl VisitMut for Weaver<'_> {
    // What must be known when it is compiled stays as it is.
    fn visit_item_const_mut(&mut self, _: &mut syn::ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut syn::ItemStatic) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut syn::ImplItemConst) {}
    fn visit_expr_const_mut(&mut self, _: &mut syn::ExprConst) {}
    fn visit_type_mut(&mut self, _: &mut syn::Type) {}
    fn visit_pat_mut(&mut self, _: &mut syn::Pat) {}

    fn visit_item_fn_mut(&mut self, item: &mut syn::ItemFn) {
        item.sig.constness = None;
        self.function(&mut item.block);
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut syn::ImplItemFn) {
        item.sig.constness = None;
        self.function(&mut item.block);
    }

    fn visit_trait_item_fn_mut(&mut self, item: &mut syn::TraitItemFn) {
        if let Some(block) = &mut item.default {
            self.function(block);
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut syn::Arm) {
        let gone = self.at(arm.pat.span().start(), |change| (*change == Change::NoArm).then_some(()));
        let guards = arm.guard.as_ref().map_or(Vec::new(), |(_, guard)| {
            self.at(guard.span().start(), |change| match change {
                Change::Guard(value) => syn::parse_str::<Expr>(value).ok(),
                _ => None,
            })
        });
        visit_mut::visit_arm_mut(self, arm);
        if let Some((token, guard)) = arm.guard.take() {
            let guard =
                if guards.is_empty() || has_let(&guard) { *guard } else { self.choice(*guard, guards) };
            arm.guard = Some((token, Box::new(guard)));
        }
        for (id, ()) in gone {
            let guard = arm.guard.take().map(|(_, guard)| guard);
            if guard.as_ref().is_some_and(|guard| has_let(guard)) {
                arm.guard = guard.map(|guard| (Default::default(), guard));
                continue;
            }
            self.woven.insert(id);
            let rest: Expr = guard.map_or_else(|| parse_quote! { true }, |guard| parse_quote! { (#guard) });
            let ask = self.ask;
            let guard: Expr = parse_quote! { #ask() != #id && #rest };
            arm.guard = Some((Default::default(), Box::new(guard)));
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let others = match &*expr {
            Expr::Binary(binary) if !has_let(expr) => {
                self.at(binary.op.span().start(), |change| match change {
                    Change::Operator(operator) => syn::parse_str::<syn::BinOp>(operator).ok().map(Some),
                    _ => None,
                })
            }
            Expr::Unary(unary) => {
                self.at(unary.op.span().start(), |change| (*change == Change::Bare).then_some(None))
            }
            _ => Vec::new(),
        };
        visit_mut::visit_expr_mut(self, expr);
        if others.is_empty() {
            return;
        }
        let changed = others.into_iter().map(|(id, operator)| {
            let other = match (&*expr, operator) {
                (Expr::Binary(binary), Some(op)) => Expr::Binary(syn::ExprBinary { op, ..binary.clone() }),
                (Expr::Unary(unary), _) => (*unary.expr).clone(),
                _ => expr.clone(),
            };
            (id, other)
        });
        let changed = changed.collect();
        *expr = self.choice(expr.clone(), changed);
    }
}
