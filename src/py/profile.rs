//! Profiles: rows of plain numbers, which `ironhorn.profiling` makes a table of.

use ironhorn_engine::runtime::{profile, threads};
use ironhorn_kernels::cpu::machine;
use ironhorn_kernels::cpu::simd::Isa;
use pyo3::prelude::*;

/// `(plan, layer, op, output, calls, seconds, flops, bytes)`; the last two are of one call.
type Row = (usize, String, &'static str, String, u64, f64, f64, f64);

/// Begins a profile of all programs that this process runs.
#[pyfunction]
pub fn profile_start() {
    profile::start();
}

/// Ends the profile and gives its rows.
#[pyfunction]
pub fn profile_stop() -> Vec<Row> {
    let row = |row: profile::Row| {
        let output = row.output.map(|spec| spec.to_string()).unwrap_or_default();
        (row.plan, row.scope.to_string(), row.op, output, row.calls, row.seconds, row.cost.flops, row.cost.bytes)
    };
    profile::stop().into_iter().map(row).collect()
}

/// The float32 operations and the bytes a second that all threads together can reach.
#[pyfunction]
pub fn machine_rates(py: Python<'_>) -> (f64, f64) {
    py.detach(|| {
        let threads = threads::count() as f64;
        (machine::multiply_add_rate(Isa::active()) * threads, machine::copy_rate() * threads)
    })
}
