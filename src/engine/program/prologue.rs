//! The prologue of a plan: steps whose results stay the same while no variable that they read is written.
//!
//! ```text
//! variables, constants -> [prologue] -> items -> [main steps] -> outputs         items: folded weights, packed weights, ..
//! ```
//!
//! An *item* is what main steps read of the prologue: a value, or the prepared memory of a kernel. The runtime keeps items
//! and runs the prologue again, as far as it must, when a variable's version has changed. Items are named by *recipes*: what
//! they are made of, and how. Plans for other batch sizes that have items of the same recipes share them.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::plan::{Place, Plan, PlanStep};
use crate::backends::{Cost, Prepare};
use crate::core::{Array, Spec};
use crate::ops::Op;

/// The name of a recipe; never used again for another.
pub type RecipeId = u64;

/// Something that main steps read of the prologue.
#[derive(Clone, Debug)]
pub struct Item {
    pub recipe: RecipeId,
    pub bytes: usize,
    /// The variable slots that it depends on, ascending.
    pub variables: Vec<usize>,
}

/// What runs once; its plan's outputs are the items.
pub struct Prologue {
    plan: Plan,
    pub items: Vec<Item>,
    /// The variable slots that any item depends on, ascending.
    pub variables: Vec<usize>,
}

impl Prologue {
    /// `plan` makes items of these recipes and sizes.
    pub fn new(plan: Plan, recipes: &[(RecipeId, usize)]) -> Prologue {
        let items: Vec<Item> = recipes
            .iter()
            .enumerate()
            .map(|(index, &(recipe, bytes))| {
                let (_, variables) = needed(&plan, std::iter::once(index), |_| false);
                Item { recipe, bytes, variables }
            })
            .collect();
        let mut variables: Vec<usize> = items.iter().flat_map(|item| item.variables.iter().copied()).collect();
        variables.sort_unstable();
        variables.dedup();
        Prologue { plan, items, variables }
    }

    /// The plan that makes the items that are `missing`; it reads the others where it needs them.
    pub fn part(&self, missing: &[bool]) -> Plan {
        let wanted = (0..missing.len()).filter(|&item| missing[item]);
        let (kept, _) = needed(&self.plan, wanted, |item| !missing[item]);
        let steps: Vec<PlanStep> = kept.into_iter().map(|step| self.plan.steps[step].clone()).collect();
        let mut cost = Cost::default();
        for step in &steps {
            cost.flops += step.cost.flops;
            cost.bytes += step.cost.bytes;
        }
        Plan {
            final_phase: steps.len(),
            steps,
            constants: self.plan.constants.clone(),
            offsets: self.plan.offsets.clone(),
            arena_bytes: self.plan.arena_bytes,
            inputs: Vec::new(),
            outputs: Vec::new(),
            written: Vec::new(),
            cost,
            prologue: None,
        }
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.plan.steps.len()
    }
}

/// The steps that make the outputs `wanted` of a plan, where those that are `there` need not be made, and the variables
/// that these read.
fn needed(plan: &Plan, wanted: impl Iterator<Item = usize>, there: impl Fn(usize) -> bool) -> (Vec<usize>, Vec<usize>) {
    let mut wanted: Vec<Place> = wanted.map(Place::Output).collect();
    let (mut steps, mut variables) = (Vec::new(), Vec::new());
    // Backwards, because memory of the arena is used again: what a step reads is what the last step before it wrote there.
    for (index, step) in plan.steps.iter().enumerate().rev() {
        let makes = |place: &Place| *place == step.prepared || step.outputs.contains(place);
        if !wanted.iter().any(makes) {
            continue;
        }
        wanted.retain(|place| !makes(place));
        steps.push(index);
        for &place in &step.inputs {
            match place {
                Place::Variable(slot) => variables.push(slot),
                Place::Output(item) if there(item) => {}
                Place::Arena(_) | Place::Output(_) => wanted.push(place),
                Place::Input(_) | Place::Constant(_) | Place::Prepared(_) | Place::Nowhere => {}
            }
        }
    }
    steps.reverse();
    variables.sort_unstable();
    variables.dedup();
    (steps, variables)
}

/// How a value that stays the same is made.
#[derive(PartialEq, Eq, Hash)]
enum Recipe {
    Variable(usize),
    Constant(Fixed),
    /// Output `index` of an op; inputs of which only the shape is read have no recipe.
    Output {
        op: Op,
        inputs: Vec<(Option<RecipeId>, Spec)>,
        outputs: Vec<Spec>,
        index: usize,
    },
    /// What a kernel prepares of some of its op's inputs.
    Prepared {
        op: Op,
        inputs: Vec<(Option<RecipeId>, Spec)>,
        prepare: Prepare,
    },
}

/// A constant, equal to others of the same bytes. It is kept, so that its address is nobody else's.
struct Fixed(Array);

/// Bytes of a constant that its hash looks at.
const HASHED: usize = 256;

impl PartialEq for Fixed {
    fn eq(&self, other: &Self) -> bool {
        self.0.spec() == other.0.spec()
            && (Arc::ptr_eq(self.0.storage(), other.0.storage()) || self.0.bytes() == other.0.bytes())
    }
}

impl Eq for Fixed {}

impl Hash for Fixed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.spec().hash(state);
        self.0.bytes()[..self.0.bytes().len().min(HASHED)].hash(state);
    }
}

/// Recipes remembered; beyond, all are forgotten, and what is planned then shares nothing with what was planned before.
const MOST_RECIPES: usize = 1 << 16;

/// The recipes that plans of one program have used.
#[derive(Default)]
pub struct Recipes {
    known: HashMap<Recipe, RecipeId>,
    next: RecipeId,
}

impl Recipes {
    fn name(&mut self, recipe: Recipe) -> RecipeId {
        if let Some(&id) = self.known.get(&recipe) {
            return id;
        }
        if self.known.len() >= MOST_RECIPES {
            self.known.clear();
        }
        self.next += 1;
        self.known.insert(recipe, self.next);
        self.next
    }

    pub fn variable(&mut self, slot: usize) -> RecipeId {
        self.name(Recipe::Variable(slot))
    }

    pub fn constant(&mut self, array: &Array) -> RecipeId {
        self.name(Recipe::Constant(Fixed(array.clone())))
    }

    pub fn outputs(&mut self, op: &Op, inputs: &[(Option<RecipeId>, Spec)], outputs: &[Spec]) -> Vec<RecipeId> {
        let recipe =
            |index| Recipe::Output { op: op.clone(), inputs: inputs.to_vec(), outputs: outputs.to_vec(), index };
        (0..outputs.len()).map(|index| self.name(recipe(index))).collect()
    }

    /// `inputs` are those that `prepare` names.
    pub fn prepared(&mut self, op: &Op, inputs: Vec<(Option<RecipeId>, Spec)>, prepare: &Prepare) -> RecipeId {
        self.name(Recipe::Prepared { op: op.clone(), inputs, prepare: prepare.clone() })
    }
}
