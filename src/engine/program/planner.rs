//! Makes plans: binds symbols to lengths, infers every shape again with numbers, lowers every op (or decomposes it), turns
//! reshapes into views, and orders steps into the prologue and two phases.

use std::sync::Arc;

use super::arrange::{Buffer, Draft, Part, arrange};
use super::in_place::in_place_updates;
use super::plan::{Place, Plan};
use super::prologue::{Prologue, RecipeId, Recipes};
use super::stable::{lasts, unwritten};
use super::{Program, control};
use crate::backends::cpu::Cpu;
use crate::backends::cpu::copy::CopyMany;
use crate::backends::{Backend, Kernel};
use crate::core::shape::Bindings;
use crate::core::{Array, Dim, Error, Result, Shape, Spec};
use crate::ops::{Effects, Graph, Op, Producer, Value};

/// A value while a plan is made.
#[derive(Clone, Debug)]
struct Planned {
    spec: Spec,
    buffer: usize,
}

/// Bytes that an op of the prologue may make in any case. Beyond, it may make twice what it reads: memory that is kept grows
/// with the variables, not with what they are broadcast to.
const SMALL: usize = 1 << 16;

pub(super) struct Planner<'a> {
    program: &'a Program,
    backend: Cpu,
    bindings: Bindings,
    values: Vec<Option<Planned>>,
    buffers: Vec<Buffer>,
    constants: Vec<Array>,
    early: Vec<Draft>,
    main: Vec<Draft>,
    last: Vec<Draft>,
    /// Buffers that are items of the prologue.
    items: Vec<usize>,
    recipes: Option<&'a mut Recipes>,
    used: Vec<bool>,
    /// For variable slots that an update writes in place: the value that they hold afterwards.
    in_place: Vec<(usize, Value)>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(program: &'a Program, recipes: Option<&'a mut Recipes>) -> Self {
        let mut used = vec![false; program.graph.values.len()];
        for value in program.graph.nodes.iter().flat_map(|node| node.inputs.iter().copied()).chain(program.roots()) {
            used[value.0 as usize] = true;
        }
        Planner {
            program,
            backend: Cpu::active(),
            bindings: Bindings::new(),
            values: vec![None; program.graph.values.len()],
            buffers: Vec::new(),
            constants: Vec::new(),
            early: Vec::new(),
            main: Vec::new(),
            last: Vec::new(),
            items: Vec::new(),
            recipes,
            used,
            in_place: in_place_updates(program),
        }
    }

    pub(super) fn plan(mut self, inputs: &[Vec<usize>]) -> Result<Plan> {
        let graph = &self.program.graph;
        if inputs.len() != graph.inputs.len() {
            return Err(Error::internal(format!("{} inputs for a program with {}", inputs.len(), graph.inputs.len())));
        }
        let mut input_specs = Vec::new();
        for (i, (&value, sizes)) in graph.inputs.iter().zip(inputs).enumerate() {
            let spec = Spec::known(sizes, graph.dtype(value));
            self.unify(graph.shape(value), &spec.shape, "input")?;
            input_specs.push(spec.clone());
            self.place(value, spec, Place::Input(i))?;
        }
        for (slot, &value) in graph.variables.iter().enumerate() {
            self.place(value, graph.spec(value).clone(), Place::Variable(slot))?;
        }
        for slot in unwritten(self.program) {
            let buffer = self.value(graph.variables[slot])?.buffer;
            self.buffers[buffer].recipe = self.recipes.as_mut().map(|recipes| recipes.variable(slot));
        }
        graph.bind_derived(&mut self.bindings);
        for node in &graph.nodes {
            let planned: Vec<Planned> = node.inputs.iter().map(|&input| self.value(input)).collect::<Result<_>>()?;
            let at = |error: Error| error.at(&node.scope, node.op.name());
            let wanted: Vec<bool> = node.outputs.iter().map(|output| self.used[output.0 as usize]).collect();
            let over = self.overwritten(&node.op, &node.inputs, &node.outputs);
            let outputs = self.emit(&node.op, &planned, &wanted, &over, &node.scope).map_err(at)?;
            for (&value, output) in node.outputs.iter().zip(outputs) {
                self.unify(graph.shape(value), &output.spec.shape, "value").map_err(at)?;
                self.values[value.0 as usize] = Some(output);
            }
            graph.bind_derived(&mut self.bindings);
        }
        self.finish(input_specs)
    }

    /// Gives a new buffer to a value that is not made by a step.
    fn place(&mut self, value: Value, spec: Spec, place: Place) -> Result<()> {
        let buffer = self.buffer(&spec, place)?;
        self.values[value.0 as usize] = Some(Planned { spec, buffer });
        Ok(())
    }

    fn buffer(&mut self, spec: &Spec, place: Place) -> Result<usize> {
        Ok(self.memory(spec.bytes()?, place))
    }

    fn memory(&mut self, bytes: usize, place: Place) -> usize {
        self.buffers.push(Buffer { place, bytes, late: false, recipe: None, early: false });
        self.buffers.len() - 1
    }

    fn constant(&mut self, array: Array) -> Result<Planned> {
        let spec = array.spec();
        let buffer = self.buffer(&spec, Place::Constant(self.constants.len()))?;
        self.buffers[buffer].recipe = self.recipes.as_mut().map(|recipes| recipes.constant(&array));
        self.constants.push(array);
        Ok(Planned { spec, buffer })
    }

    fn value(&mut self, value: Value) -> Result<Planned> {
        if let Some(planned) = &self.values[value.0 as usize] {
            return Ok(planned.clone());
        }
        let Producer::Constant(array) = self.program.graph.producer(value) else {
            return Err(Error::internal(format!("value {value:?} is read before it is made")));
        };
        let planned = self.constant(array.clone())?;
        self.values[value.0 as usize] = Some(planned.clone());
        Ok(planned)
    }

    /// Binds the symbols of a traced shape to the lengths found.
    fn unify(&mut self, traced: &Shape, found: &Shape, what: &str) -> Result<()> {
        let disagree =
            || Error::shape(format!("the program was traced for a {what} of shape {traced} and got {found}"));
        if traced.rank() != found.rank() {
            return Err(disagree());
        }
        for (&dim, size) in traced.0.iter().zip(found.concrete()?) {
            match dim {
                Dim::Known(known) if known != size => return Err(disagree()),
                Dim::Known(_) => {}
                Dim::Symbol(symbol) => match self.bindings.insert(symbol, size) {
                    Some(before) if before != size => {
                        return Err(Error::shape(format!(
                            "two arrays that must agree have lengths {before} and {size} along one axis (shape {found}); \
                             check that all inputs, targets and sample weights have the same number of rows"
                        )));
                    }
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// For an op that updates variables: the variable's buffer that each output may be written over.
    fn overwritten(&self, op: &Op, inputs: &[Value], outputs: &[Value]) -> Vec<Option<usize>> {
        let updated = op.updated_inputs();
        (0..outputs.len())
            .map(|i| {
                let input = (*updated.get(i)?)?;
                self.in_place.iter().find(|(_, value)| *value == outputs[i])?;
                self.values[inputs[input].0 as usize].as_ref().map(|planned| planned.buffer)
            })
            .collect()
    }

    /// Appends the steps of one op.
    fn emit(
        &mut self,
        op: &Op,
        inputs: &[Planned],
        wanted: &[bool],
        over: &[Option<usize>],
        scope: &Arc<str>,
    ) -> Result<Vec<Planned>> {
        if let Op::CustomGradient(op) = op {
            return Ok(inputs[..op.outputs].to_vec());
        }
        let op = op.bind(&self.bindings);
        let specs: Vec<&Spec> = inputs.iter().map(|input| &input.spec).collect();
        let inferred = op.infer(&specs)?;
        if let Some(view) = self.view(&op, inputs, &inferred)? {
            return Ok(vec![view]);
        }
        let input_specs: Vec<Spec> = inputs.iter().map(|input| input.spec.clone()).collect();
        let lowered = match &op {
            Op::Scan(op) => Some(control::scan(op, &input_specs, &inferred, wanted)?),
            Op::Cond(op) => {
                let over: Vec<bool> = (0..inferred.len()).map(|i| matches!(over.get(i), Some(Some(_)))).collect();
                Some(control::cond(op, &input_specs, wanted, &over)?)
            }
            Op::WhileLoop(op) => Some(control::while_loop(op, &input_specs)?),
            op => self.backend.lower(op, &input_specs, &inferred)?,
        };
        let Some(kernel) = lowered else {
            return self.emit_decomposed(&op, inputs, scope);
        };
        let kernel: Arc<dyn Kernel> = Arc::from(kernel);
        let names = self.lasting(&op, inputs, &inferred, over);
        let late = op.effects() == Effects::Updates
            || over.iter().any(Option::is_some)
            || inputs
                .iter()
                .enumerate()
                .any(|(i, input)| self.buffers[input.buffer].late && !op.shape_only().contains(&i));
        let count = inferred.len();
        let mut outputs = Vec::with_capacity(count);
        let mut planned = Vec::with_capacity(count);
        for (i, spec) in inferred.into_iter().enumerate() {
            let buffer = match over.get(i).copied().flatten() {
                Some(buffer) => buffer,
                None => self.buffer(&spec, Place::Nowhere)?,
            };
            self.buffers[buffer].late |= late;
            self.buffers[buffer].recipe = names.as_ref().map(|names| names[i]);
            self.buffers[buffer].early = names.is_some();
            // Kernels with several outputs leave out what nobody reads; those with one always write it.
            let skipped = count > 1 && wanted.get(i) == Some(&false);
            outputs.push((!skipped).then_some(buffer));
            planned.push(Planned { spec, buffer });
        }
        let mut draft = Draft {
            kernel,
            part: Part::Whole,
            prepared: None,
            name: op.name(),
            scope: scope.clone(),
            spec: planned.first().map(|planned| planned.spec.clone()),
            inputs: inputs.iter().map(|i| i.buffer).collect(),
            outputs,
        };
        // What is not read need not live so long, nor where this step can reach it.
        for &i in op.shape_only() {
            draft.inputs[i] = self.memory(0, Place::Nowhere);
        }
        if names.is_some() {
            self.early.push(draft);
            return Ok(planned);
        }
        self.prepare_early(&op, inputs, &mut draft);
        if late {
            self.last.push(draft);
        } else {
            self.main.push(draft);
        }
        Ok(planned)
    }

    /// The recipes of an op's outputs, if it belongs into the prologue.
    fn lasting(
        &mut self,
        op: &Op,
        inputs: &[Planned],
        outputs: &[Spec],
        over: &[Option<usize>],
    ) -> Option<Vec<RecipeId>> {
        let recipes = self.recipes.as_mut()?;
        if !lasts(op) || over.iter().any(Option::is_some) {
            return None;
        }
        let mut operands = Vec::with_capacity(inputs.len());
        let mut read = 0;
        for (i, input) in inputs.iter().enumerate() {
            let buffer = &self.buffers[input.buffer];
            if op.shape_only().contains(&i) {
                operands.push((None, input.spec.clone()));
            } else {
                operands.push((Some(buffer.recipe?), input.spec.clone()));
                read += buffer.bytes;
            }
        }
        let made: usize = outputs.iter().map(|spec| spec.bytes().unwrap_or(usize::MAX)).fold(0, usize::saturating_add);
        (made <= SMALL.max(2 * read)).then(|| recipes.outputs(op, &operands, outputs))
    }

    /// Moves what a kernel prepares of inputs that stay the same into the prologue.
    fn prepare_early(&mut self, op: &Op, inputs: &[Planned], draft: &mut Draft) {
        let Some(recipes) = self.recipes.as_mut() else { return };
        let Some(prepare) = draft.kernel.prepare().cloned() else { return };
        let operands: Option<Vec<(Option<RecipeId>, Spec)>> = prepare
            .inputs
            .iter()
            .map(|&i| Some((Some(self.buffers[inputs[i].buffer].recipe?), inputs[i].spec.clone())))
            .collect();
        let Some(operands) = operands else { return };
        let recipe = recipes.prepared(op, operands, &prepare);
        let known = self.items.iter().copied().find(|&item| self.buffers[item].recipe == Some(recipe));
        let (item, nothing) = (known.unwrap_or(self.buffers.len()), self.buffers.len() + usize::from(known.is_none()));
        if known.is_none() {
            let item = self.memory(prepare.bytes, Place::Nowhere);
            self.buffers[item].recipe = Some(recipe);
            self.buffers[item].early = true;
            self.items.push(item);
        }
        // Stands for operands that a part of the kernel does not have.
        self.memory(0, Place::Nowhere);
        if known.is_none() {
            let read = |(i, &buffer): (usize, &usize)| if prepare.inputs.contains(&i) { buffer } else { nothing };
            self.early.push(Draft {
                kernel: Arc::clone(&draft.kernel),
                part: Part::Preparing,
                prepared: Some(item),
                name: draft.name,
                scope: draft.scope.clone(),
                spec: None,
                inputs: draft.inputs.iter().enumerate().map(read).collect(),
                outputs: vec![None; draft.outputs.len()],
            });
        }
        prepare.inputs.iter().for_each(|&i| draft.inputs[i] = nothing);
        draft.part = Part::Prepared;
        draft.prepared = Some(item);
    }

    /// The op's result as a view of its input, or as a number that the plan knows.
    fn view(&mut self, op: &Op, inputs: &[Planned], inferred: &[Spec]) -> Result<Option<Planned>> {
        let same_order = match op {
            Op::Reshape(_) | Op::ReshapeLike(_) | Op::StopGradient(_) => true,
            Op::Cast(cast) => inputs[0].spec.dtype == cast.dtype,
            Op::Broadcast(_) | Op::BroadcastLike(_) | Op::SumLike(_) => {
                inputs[0].spec.bytes()? == inferred[0].bytes()?
            }
            Op::Transpose(transpose) => {
                let sizes = inputs[0].spec.shape.concrete()?;
                transpose.permutation.iter().filter(|&&axis| sizes[axis] != 1).is_sorted()
            }
            Op::DimValue(value) => {
                let size = value.dim.known().ok_or_else(|| Error::internal("a length is still a symbol in a plan"))?;
                return Ok(Some(self.constant(Array::scalar(size as f64, inferred[0].dtype)?)?));
            }
            _ => false,
        };
        Ok(same_order.then(|| Planned { spec: inferred[0].clone(), buffer: inputs[0].buffer }))
    }

    fn emit_decomposed(&mut self, op: &Op, inputs: &[Planned], scope: &Arc<str>) -> Result<Vec<Planned>> {
        let mut graph = Graph::new();
        let values: Vec<Value> = inputs.iter().map(|input| graph.input(input.spec.clone())).collect();
        let Some(roots) = op.decompose(&mut graph, &values) else {
            let types: Vec<String> = inputs.iter().map(|input| input.spec.to_string()).collect();
            return Err(Error::unsupported(format!(
                "no CPU kernel for {} of ({}); cast the inputs to float32 or float64",
                op.name(),
                types.join(", ")
            )));
        };
        let roots = roots?;
        let mut planned: Vec<Option<Planned>> = vec![None; graph.values.len()];
        for (&value, input) in values.iter().zip(inputs) {
            planned[value.0 as usize] = Some(input.clone());
        }
        for (index, info) in graph.values.iter().enumerate() {
            if let Producer::Constant(array) = &info.producer {
                planned[index] = Some(self.constant(array.clone())?);
            }
        }
        let missing = || Error::internal(format!("the decomposition of {} reads what it has not made", op.name()));
        for node in &graph.nodes {
            let operands: Vec<Planned> = node
                .inputs
                .iter()
                .map(|input| planned[input.0 as usize].clone().ok_or_else(missing))
                .collect::<Result<_>>()?;
            let outputs = self.emit(&node.op, &operands, &[], &[], scope)?;
            for (value, output) in node.outputs.iter().zip(outputs) {
                planned[value.0 as usize] = Some(output);
            }
        }
        roots.iter().map(|root| planned[root.0 as usize].clone().ok_or_else(missing)).collect()
    }

    /// Appends a step that copies one buffer into another.
    fn copy(&mut self, from: usize, to: usize) {
        let kernel = Arc::new(CopyMany { bytes: vec![self.buffers[from].bytes] });
        let draft = Draft {
            kernel,
            part: Part::Whole,
            prepared: None,
            name: "copy",
            scope: Arc::from(""),
            spec: None,
            inputs: vec![from],
            outputs: vec![Some(to)],
        };
        if self.buffers[from].late { self.last.push(draft) } else { self.main.push(draft) }
    }

    fn finish(mut self, inputs: Vec<Spec>) -> Result<Plan> {
        let program = self.program;
        let mut output_specs = Vec::new();
        for (i, &value) in program.outputs.iter().enumerate() {
            let planned = self.value(value)?;
            let buffer = &mut self.buffers[planned.buffer];
            if buffer.place == Place::Nowhere && !buffer.early {
                buffer.place = Place::Output(i);
            } else {
                let target = self.buffer(&planned.spec, Place::Output(i))?;
                self.copy(planned.buffer, target);
            }
            output_specs.push(planned.spec);
        }
        let (mut from, mut to, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        let mut written = Vec::new();
        for &(slot, value) in &program.writes {
            let mut source = self.value(value)?.buffer;
            let target = self.value(program.graph.variables[slot])?.buffer;
            if source != target {
                if matches!(self.buffers[source].place, Place::Variable(_)) && !self.buffers[source].late {
                    // Another variable, which this very phase may overwrite: take its value before.
                    let spec = program.graph.spec(value).clone();
                    let held = self.buffer(&spec, Place::Nowhere)?;
                    self.copy(source, held);
                    source = held;
                }
                bytes.push(self.buffers[target].bytes);
                from.push(source);
                to.push(Some(target));
            } else if !self.buffers[target].late {
                continue;
            }
            written.push(slot);
        }
        if !from.is_empty() {
            let kernel = Arc::new(CopyMany { bytes });
            self.last.push(Draft {
                kernel,
                part: Part::Whole,
                prepared: None,
                name: "write_back",
                scope: Arc::from(""),
                spec: None,
                inputs: from,
                outputs: to,
            });
        }
        let final_phase = self.main.len();
        let drafts: Vec<Draft> =
            std::mem::take(&mut self.main).into_iter().chain(std::mem::take(&mut self.last)).collect();
        for &buffer in drafts.iter().flat_map(|draft| &draft.inputs) {
            if self.buffers[buffer].early && !self.items.contains(&buffer) {
                self.items.push(buffer);
            }
        }
        let items = std::mem::take(&mut self.items);
        items.iter().enumerate().for_each(|(item, &buffer)| self.buffers[buffer].place = Place::Prepared(item));
        let plan = arrange(drafts, &mut self.buffers, &self.constants);
        let prologue = if items.is_empty() {
            None
        } else {
            items.iter().enumerate().for_each(|(item, &buffer)| self.buffers[buffer].place = Place::Output(item));
            let early = std::mem::take(&mut self.early);
            let plan = arrange(early, &mut self.buffers, &self.constants);
            let named = items.iter().filter_map(|&item| Some((self.buffers[item].recipe?, self.buffers[item].bytes)));
            Some(Box::new(Prologue::new(plan, &named.collect::<Vec<_>>())))
        };
        Ok(Plan { final_phase, inputs, outputs: output_specs, written, prologue, ..plan })
    }
}
