"""The register tiles of products and convolutions keep their sums in registers: hot loops store none of them.

A compiler that spills one accumulator makes a tile several times slower and no result wrong. The extension itself is
disassembled, so this says nothing about time and runs anywhere that has `objdump`.
"""

import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass

import pytest

from ironhorn import _core

# Heights of tiles by their widths in registers.
WIDE = {4: 6, 2: 12, 1: 12}
NARROW = {2: 6, 1: 12}
TILES = {"F32x16": WIDE, "F64x8": WIDE, "F32x8": NARROW, "F64x4": NARROW}
# Addresses of rows that do not fit the general registers are read again in each round of a loop, and the counter, too.
MOST_ADDRESSES = 4

FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
TILE = re.compile(r"\b(F32x16|F64x8|F32x8|F64x4)\b.*Vector.*4tile8compiled")
MULTIPLY_ADD = re.compile(r"vfn?m(add|sub)\d+p[sd]")
STACK = re.compile(r"\(%rsp[,)]")


@dataclass
class Loop:
    """An innermost loop of a tile: its multiply-adds, and what it should not do."""

    sums: int
    vectors_on_stack: int
    vectors_stored: int
    words_on_stack: int


def tile_functions() -> dict[str, list[list[tuple[int, str, str]]]]:
    """The instructions (address, name, operands) of every tile, by the type of its registers."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", _core.__file__]
    found: dict[str, list[list[tuple[int, str, str]]]] = defaultdict(list)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        current: list[tuple[int, str, str]] | None = None
        for line in process.stdout:
            if function := FUNCTION.match(line):
                if "precondition_check" in function[1]:
                    process.kill()
                    pytest.skip("the extension was built with debug assertions; build the release profile to check it")
                current = None
                if tile := TILE.search(function[1]):
                    current = []
                    found[tile[1]].append(current)
            elif current is not None and (instruction := INSTRUCTION.match(line)):
                current.append((int(instruction[1], 16), instruction[2], instruction[3]))
    return found


def loops(instructions: list[tuple[int, str, str]]) -> list[Loop]:
    """The innermost loops that multiply and add."""
    places = {address: index for index, (address, _, _) in enumerate(instructions)}
    found = []
    for end, (_, name, operands) in enumerate(instructions):
        target = re.match(r"[0-9a-f]+", operands)
        start = places.get(int(target[0], 16), end + 1) if name.startswith("j") and target else end + 1
        body = instructions[start : end + 1]
        if not body or sum(name.startswith("j") for _, name, _ in body) > 1:
            continue
        stored = sum(name.startswith("vmov") and operands.endswith(")") for _, name, operands in body)
        stack = [operands for _, _, operands in body if STACK.search(operands)]
        vectors = sum("%xmm" in operands or "%ymm" in operands or "%zmm" in operands for operands in stack)
        sums = sum(bool(MULTIPLY_ADD.match(name)) for _, name, _ in body)
        if sums:
            found.append(Loop(sums, vectors, stored, len(stack) - vectors))
    return found


@pytest.fixture(scope="module")
def functions() -> dict[str, list[list[tuple[int, str, str]]]]:
    if shutil.which("objdump") is None:
        pytest.skip("objdump is not installed (Debian: binutils)")
    header = subprocess.run(["objdump", "--file-headers", _core.__file__], capture_output=True, text=True, check=False)
    if "x86-64" not in header.stdout:
        pytest.skip("objdump does not read this extension as x86-64")
    found = tile_functions()
    if not found:
        pytest.skip("the extension has no symbols (the dist profile strips them)")
    return found


@pytest.mark.parametrize("registers", TILES)
def test_tiles_keep_their_sums_in_registers(
    registers: str, functions: dict[str, list[list[tuple[int, str, str]]]]
) -> None:
    heights = TILES[registers]
    assert len(functions[registers]) == sum(heights.values())
    sizes = []
    for instructions in functions[registers]:
        hot = loops(instructions)
        assert hot, "a tile has no loop of multiply-adds"
        assert all(loop.vectors_on_stack == loop.vectors_stored == 0 for loop in hot), hot
        assert all(loop.words_on_stack <= MOST_ADDRESSES for loop in hot), hot
        sizes.append(min(loop.sums for loop in hot))
    # Small tiles may be unrolled, the large ones are one step.
    assert max(sizes) == max(width * rows for width, rows in heights.items())


def test_spills_are_found() -> None:
    body = [
        (0, "vmovups", "(%rdx),%zmm1"),
        (4, "vfmadd231ps", "(%rax,%rcx,4){1to16},%zmm1,%zmm0"),
        (8, "vmovups", "%zmm0,0x40(%rsp)"),
        (12, "mov", "0x8(%rsp),%rcx"),
        (16, "jne", "0 <tile>"),
    ]
    assert loops(body) == [Loop(sums=1, vectors_on_stack=1, vectors_stored=1, words_on_stack=1)]
    assert loops(body[1:]) == []
