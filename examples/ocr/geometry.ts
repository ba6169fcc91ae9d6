// Points, convex hulls and rotated rectangles in the plane (x to the right, y down).

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * A rectangle at any angle: `along` is the unit vector from its left to its right edge, `length` its extent that way,
 * `thickness` its extent at a right angle, downwards as text is read.
 */
export interface Rectangle {
  readonly centre: Point;
  readonly along: Point;
  readonly length: number;
  readonly thickness: number;
}

const cross = (o: Point, a: Point, b: Point): number => (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x);

/** One chain of a hull: the points, sorted, without those where the chain does not turn left. */
function chain(sorted: readonly Point[]): Point[] {
  const hull: Point[] = [];
  for (const point of sorted) {
    for (;;) {
      const [before, last] = [hull.at(-2), hull.at(-1)];
      if (before === undefined || last === undefined || cross(before, last, point) > 0) break;
      hull.pop();
    }
    hull.push(point);
  }
  return hull;
}

/** The corners of the convex hull in order, without points on its edges (Andrew's monotone chain). */
export function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  const lower = chain(sorted);
  const upper = chain(sorted.reverse());
  return [...lower.slice(0, -1), ...upper.slice(0, -1)];
}

/** The rectangle around the points with an edge along the direction (dx, dy), which must not be zero. */
function rectangleAlong(points: readonly Point[], dx: number, dy: number): Rectangle {
  const norm = Math.hypot(dx, dy);
  // Of the four directions of a rectangle's edges, text runs along the one closest to the right.
  let along: Point = { x: dx / norm, y: dy / norm };
  if (Math.abs(along.y) > Math.abs(along.x)) along = { x: -along.y, y: along.x };
  if (along.x < 0) along = { x: -along.x, y: -along.y };
  let [left, right, top, bottom] = [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ];
  for (const { x, y } of points) {
    const u = x * along.x + y * along.y;
    const v = y * along.x - x * along.y;
    left = Math.min(left, u);
    right = Math.max(right, u);
    top = Math.min(top, v);
    bottom = Math.max(bottom, v);
  }
  const [u, v] = [(left + right) / 2, (top + bottom) / 2];
  const centre = { x: u * along.x - v * along.y, y: u * along.y + v * along.x };
  return { centre, along, length: right - left, thickness: bottom - top };
}

/** The rectangle of the least area around a convex polygon of three or more corners: one edge lies on an edge of it. */
export function smallestRectangle(hull: readonly Point[]): Rectangle {
  let best: Rectangle | undefined;
  let previous = hull.at(-1);
  for (const corner of hull) {
    if (previous !== undefined) {
      const rectangle = rectangleAlong(hull, corner.x - previous.x, corner.y - previous.y);
      if (best === undefined || rectangle.length * rectangle.thickness < best.length * best.thickness) best = rectangle;
    }
    previous = corner;
  }
  if (best === undefined) throw new RangeError("smallestRectangle: a polygon without corners has no rectangle");
  return best;
}

/** The corners: top left, top right, bottom right, bottom left. */
export function cornersOf({ centre, along, length, thickness }: Rectangle): [Point, Point, Point, Point] {
  const corner = (u: number, v: number): Point => ({
    x: centre.x + (u * length * along.x - v * thickness * along.y) / 2,
    y: centre.y + (u * length * along.y + v * thickness * along.x) / 2,
  });
  return [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)];
}

/** Whether the rectangle holds the point. */
export function contains({ centre, along, length, thickness }: Rectangle, { x, y }: Point): boolean {
  const [dx, dy] = [x - centre.x, y - centre.y];
  const u = dx * along.x + dy * along.y;
  const v = dy * along.x - dx * along.y;
  return Math.abs(u) <= length / 2 && Math.abs(v) <= thickness / 2;
}

/** The rectangle with every edge moved outwards by `distance`. */
export function grow(rectangle: Rectangle, distance: number): Rectangle {
  return { ...rectangle, length: rectangle.length + 2 * distance, thickness: rectangle.thickness + 2 * distance };
}

/** The rectangle in a plane stretched by `sx` and `sy`: exact where it is upright or both factors agree. */
export function stretch(rectangle: Rectangle, sx: number, sy: number): Rectangle {
  const { centre, along, length, thickness } = rectangle;
  const right = { x: along.x * sx, y: along.y * sy };
  const factor = Math.hypot(right.x, right.y);
  // A stretch keeps areas in the proportion sx * sy, and the thickness is what then stands at a right angle.
  return {
    centre: { x: centre.x * sx, y: centre.y * sy },
    along: { x: right.x / factor, y: right.y / factor },
    length: length * factor,
    thickness: (thickness * sx * sy) / factor,
  };
}
