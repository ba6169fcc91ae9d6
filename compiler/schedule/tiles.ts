// Register tiles: how many rows by columns of a contraction are summed at a time. A tile changes speed and no bit. What a
// target's registers hold is data; what is best for a shape follows from it.

export interface Tile {
  readonly mr: number;
  readonly nr: number;
}

/** A contraction's result, at most: rows (or pixels along the last axis) by columns (or channels). */
export interface TileShape {
  readonly rows: number;
  readonly columns: number;
  /** Whether panels may have columns behind the last, which are 0. */
  readonly pads?: boolean;
  /** Bytes from a row's start to the next one's in memory, where that is known. */
  readonly apart?: number;
}

/** So many groups of a convolution, each of so many channels of the image and so many results. */
export interface GroupSize {
  readonly groups: number;
  readonly inputs: number;
  readonly results: number;
}

/** A matrix product's tile, and the choice of its block where that is not what holds without one. */
export interface ProductTile extends Tile {
  readonly block?: number;
}

export interface TileChooser {
  /** Whether products copy panels of an operand whose rows lie far apart. */
  readonly copiesPanels: boolean;
  /** Whether only some of the target's machines multiply bytes: contractions of bytes have their rows in 16 bits as well. */
  readonly widensBytes: boolean;
  matmul(shape: TileShape): ProductTile;
  conv(shape: TileShape): Tile;
  /** Of a convolution of small groups; null where no tile has whole ones and vectors at once. */
  depthwise(groups: GroupSize): Tile | null;
  /** Of integers, a tile keeps sums of blocks beside its sums. */
  blockMatmul(shape: TileShape, isInteger: boolean): Tile;
}

/** The vector registers of a target, as schedules and loops see them. */
export interface VectorUnit {
  /** 32-bit elements of a register. */
  readonly lanes: number;
  /** Registers that a tile may fill; Infinity: every tile that the schedule names is taken as it is. */
  readonly registers: number;
  /**
   * How bytes multiply where the machine has no dot products of unsigned by signed ones for each lane: in pairs of 16 bits,
   * signed ones alone, or in squares of two rows by two columns.
   */
  readonly bytes?: "pairs" | "signed" | "squares";
  /** Registers that a vector of a tile's columns takes; 1 where nothing is said. */
  readonly perColumn?: number;
  /** Whether kernels can ask for memory before they read it. */
  readonly prefetches: boolean;
  /** Whether f16 and f32 are converted into each other by an instruction. */
  readonly convertsHalves: boolean;
}

/** Registers beside sums and columns: a row's element, and products that wait for their addition. */
const SPARE = 2;
/** Vector operations and loads that start in a cycle, and cycles from an addition to the next on the same sum. */
const PER_CYCLE = 2;
const LATENCY = 3;
/** What a step costs beside them, in cycles: pointers and the loop. */
const STEP = 0.5;
const MOST_ROWS = 14;
/** Bytes after which addresses share a set of the first-level cache, and lines of a set that rows may take. */
const SET_PERIOD = 4096;
const LINES_OF_SET = 8;

/** Vectors of a tile's row. */
function vectorsOf({ lanes }: VectorUnit, nr: number): number {
  return Math.ceil(nr / lanes);
}

export function fits(unit: VectorUnit, { mr, nr }: Tile): boolean {
  const vectors = vectorsOf(unit, nr);
  return mr * vectors + vectors * (unit.perColumn ?? 1) + SPARE <= unit.registers;
}

/** Cycles of one step over the depth, of all tiles that cover the shape. */
function cyclesOf(unit: VectorUnit, { mr, nr }: Tile, { rows, columns }: TileShape): number {
  const vectors = vectorsOf(unit, nr);
  const operations = (mr * vectors) / PER_CYCLE;
  const loads = (mr + vectors) / PER_CYCLE;
  const step = Math.max(operations, loads, LATENCY) + STEP;
  return Math.ceil(rows / mr) * Math.ceil(columns / nr) * step;
}

/** Rows whose lines stay in the first-level cache together: those a multiple of its period apart share its sets. */
function mostRows({ rows, apart = 0 }: TileShape): number {
  let sets = 1;
  while (apart > 0 && sets < SET_PERIOD && (apart * sets) % SET_PERIOD !== 0) sets++;
  return Math.min(MOST_ROWS, rows, apart === 0 ? MOST_ROWS : LINES_OF_SET * sets);
}

/** The tile of one of these widths that covers a shape in the fewest cycles. */
function quickest(unit: VectorUnit, shape: TileShape, widths: readonly number[]): Tile {
  let best: Tile = { mr: 1, nr: widths.at(-1) ?? unit.lanes };
  let cycles = Number.POSITIVE_INFINITY;
  for (const nr of widths) {
    for (let mr = mostRows(shape); mr >= 1; mr--) {
      const tile = { mr, nr };
      const own = cyclesOf(unit, tile, shape);
      if (own >= cycles || !fits(unit, tile)) continue;
      best = tile;
      cycles = own;
    }
  }
  return best;
}

/** The tile that fits a unit's registers in place of one that was chosen for another: its columns are a part of a panel. */
export function fitTile(unit: VectorUnit, tile: Tile, shape: TileShape): Tile {
  if (fits(unit, tile)) return tile;
  const widths = [1, 2, 3, 4, 6, 8].map((parts) => tile.nr / parts).filter((nr) => nr % 4 === 0);
  return quickest(unit, { ...shape, columns: tile.nr }, widths);
}

/** Columns of tiles: less than a vector, or whole ones. */
const WIDTHS = [32, 48, 16, 24, 8, 4];

/** Whether a panel has room for columns behind the last, though not for as many again. */
export function isPadded(nr: number, columns: number): boolean {
  return nr > columns && (nr === 4 || nr < 2 * columns);
}

/** Columns of a tile over unpacked weights: two vectors of a panel's. */
export function blockWidth({ lanes }: VectorUnit, nr: number): number {
  return Math.min(nr, 2 * lanes);
}

/** Rows of such a tile that fit the registers, with two sums for each vector where it multiplies integers. */
export function blockRows(unit: VectorUnit, width: number, isInteger: boolean): number {
  if (unit.registers === Number.POSITIVE_INFINITY) return MOST_ROWS;
  const vectors = vectorsOf(unit, width);
  const isSquared = isInteger && unit.bytes === "squares";
  const free = unit.registers - SPARE - vectors * (isSquared ? 2 : 1);
  const rows = Math.floor(free / (vectors * (isInteger ? 2 : 1)));
  return Math.max(1, isSquared ? rows - (rows % 2) : rows);
}

/** Pixels of a tile of small groups. */
const GROUP_ROWS = 4;

/** The narrowest tile of whole groups and whole vectors; below a vector's width the widest. */
function groupTile({ lanes }: VectorUnit, { groups, inputs, results }: GroupSize): Tile | null {
  // Where a vector lies in one group, tiles of that group alone are as good, but for one channel that all taps share.
  if (results > lanes || (results === lanes && inputs > 1)) return null;
  const widths = [...WIDTHS, 12].sort((a, b) => a - b).filter((nr) => nr <= groups * results && nr % results === 0);
  const nr = widths.find((w) => w % lanes === 0) ?? widths.findLast((w) => w < lanes);
  return nr === undefined ? null : { mr: GROUP_ROWS, nr };
}

/** KiB of a product's rows while panels pass by: more than a core's own caches, since neither rows nor panels are waited for. */
const PASSING_KIB = 2048;

/** Tiles for a machine whose registers are known. */
export function registerTiles(unit: VectorUnit): TileChooser {
  const whole = WIDTHS.filter((nr) => nr < unit.lanes || nr % unit.lanes === 0);
  const widest = (columns: number): number[] => {
    const some = whole.filter((nr) => nr <= columns);
    return some.length === 0 ? [4] : some;
  };
  const product = (shape: TileShape): Tile => {
    const { columns, pads = false } = shape;
    // A vector behind the last column would be zeros alone.
    const padded = whole.filter((nr) => pads && nr - columns < unit.lanes && isPadded(nr, columns));
    return quickest(unit, shape, [...widest(columns), ...padded]);
  };
  return {
    copiesPanels: true,
    widensBytes: false,
    matmul: (shape) => ({ ...product(shape), block: PASSING_KIB }),
    conv: product,
    depthwise: (groups) => groupTile(unit, groups),
    blockMatmul: (shape, isInteger) => {
      const nr = widest(Math.min(shape.columns, 4 * unit.lanes))[0] ?? 4;
      const mr = blockRows(unit, blockWidth(unit, nr), isInteger);
      return { mr: Math.min(mostRows(shape), mr), nr };
    },
  };
}

/** Vectors of 128 bits whose registers an engine allocates, as on WebAssembly. */
export const SIMD128: VectorUnit = {
  lanes: 4,
  registers: Number.POSITIVE_INFINITY,
  bytes: "pairs",
  prefetches: false,
  convertsHalves: false,
};

/** The same on engines that multiply unsigned by signed bytes. */
export const SIMD128_BYTES: VectorUnit = {
  lanes: 4,
  registers: Number.POSITIVE_INFINITY,
  prefetches: false,
  convertsHalves: false,
};

/** One vector of columns or two. */
function narrow128({ columns, pads = false }: TileShape): 4 | 8 {
  return columns <= 4 || (!pads && columns < 8) ? 4 : 8;
}

/**
 * Tiles for SIMD128: engines load a step's columns before they use them, so sums and columns must fit sixteen registers
 * together with room to spare. These are good on every engine that was measured.
 */
export const SIMD128_TILES: TileChooser = {
  copiesPanels: false,
  widensBytes: false,
  matmul: (shape) => {
    const { rows, columns } = shape;
    if (rows === 1) return { mr: 1, nr: columns >= 16 ? 16 : narrow128(shape) };
    return narrow128(shape) === 4 ? { mr: 8, nr: 4 } : { mr: 4, nr: 8 };
  },
  conv: (shape) => ({ mr: 4, nr: narrow128(shape) }),
  depthwise: (groups) => groupTile(SIMD128, groups),
  blockMatmul: ({ rows, columns }) => ({ mr: rows >= 4 ? 4 : 1, nr: columns >= 16 ? 16 : columns >= 8 ? 8 : 4 }),
};

/** The same where modules for engines that multiply bytes stand beside others. */
export const SIMD128_BYTE_TILES: TileChooser = { ...SIMD128_TILES, widensBytes: true };
