// Runs a function's syntax tree on tensors: statements in order, both branches of an `if` on a computed condition (their
// results are then chosen between), loops on plain numbers unrolled. What it does not know is refused at its line.

import type { Node, Statement } from "ts-morph";
import type { DType } from "../ir/dtype.js";
import {
  boolTensor,
  CONSTANTS,
  choose,
  MATH,
  MATH2,
  numeric,
  OPERATORS,
  operate,
  toTensor,
  truthOf,
  type Val,
} from "./kernel-math.js";
import { type KernelSource, loadMorph } from "./kernel-source.js";
import { isTensor } from "./promote.js";
import { refuseTrace } from "./site.js";

/** Iterations of all of a kernel's loops together. */
const MOST_ITERATIONS = 1000;

type Vars = Map<string, { readonly value: Val; readonly fixed: boolean }>;
type Next = (vars: Vars) => Val | undefined;

const HINT =
  "kernels have const, let, if, else, return, ?:, for loops with plain bounds, arithmetic, comparisons and Math functions";

export class KernelRun {
  readonly #source: KernelSource;
  readonly #dtype: DType;
  readonly #kind = loadMorph().SyntaxKind;
  #iterations = 0;

  constructor(source: KernelSource, dtype: DType) {
    this.#source = source;
    this.#dtype = dtype;
  }

  /** The function's result for these arguments. */
  run(args: readonly Val[], consts: Readonly<Record<string, number | boolean>>): Val {
    const { fn } = this.#source;
    const vars: Vars = new Map(Object.entries(consts).map(([name, value]) => [name, { value, fixed: true }]));
    const params = fn.getParameters();
    if (params.length !== args.length)
      return this.#refuse(fn, `takes ${params.length} arguments, has ${args.length}`, "give one per parameter");
    for (const [i, p] of params.entries()) {
      const value = args[i];
      if (
        value === undefined ||
        p.getNameNode().getKind() !== this.#kind.Identifier ||
        p.hasInitializer() ||
        p.isRestParameter()
      )
        return this.#refuse(p, `the parameter "${p.getText()}"`, "parameters are plain names");
      vars.set(p.getName(), { value, fixed: false });
    }
    const body = fn.getBody();
    const block = body.asKind(this.#kind.Block);
    if (block === undefined) return this.#eval(body, vars);
    const result = this.#statements(block.getStatements(), 0, vars, () => undefined);
    return result ?? this.#refuse(fn, "a path through the function returns nothing", "return a value on every path");
  }

  #refuse(node: Node, detail: string, hint = HINT): never {
    return refuseTrace("unsupported_op", "kernel", `kernel: ${detail}`, hint, this.#source.at(node));
  }

  #unsupported(node: Node): never {
    const text = node.getText().replace(/\s+/g, " ");
    const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
    return this.#refuse(node, `${node.getKindName()} \`${short}\` is not supported`);
  }

  // ---- statements: `next` is what follows

  #statements(list: readonly Node[], i: number, vars: Vars, next: Next): Val | undefined {
    const statement = list[i];
    return statement === undefined
      ? next(vars)
      : this.#statement(statement, vars, (v) => this.#statements(list, i + 1, v, next));
  }

  #statement(node: Node, vars: Vars, next: Next): Val | undefined {
    const k = this.#kind;
    const block = node.asKind(k.Block);
    if (block !== undefined) return this.#block(block.getStatements(), vars, next);
    const declaration = node.asKind(k.VariableStatement);
    if (declaration !== undefined) {
      this.#declare(declaration.getDeclarationList(), vars);
      return next(vars);
    }
    const returned = node.asKind(k.ReturnStatement)?.getExpression();
    if (returned !== undefined) return this.#eval(returned, vars);
    const expression = node.asKind(k.ExpressionStatement)?.getExpression();
    if (expression !== undefined) {
      this.#assign(expression, vars);
      return next(vars);
    }
    if (node.getKind() === k.EmptyStatement) return next(vars);
    if (node.getKind() === k.IfStatement) return this.#branch(node, vars, next);
    if (node.getKind() === k.ForStatement) return this.#loop(node, vars, next);
    return this.#unsupported(node);
  }

  /** A block's own names end with it; what it assigned to outer names stays. */
  #block(statements: readonly Statement[], vars: Vars, next: Next): Val | undefined {
    const inner: Vars = new Map(vars);
    const own = new Set<string>();
    for (const s of statements)
      for (const d of s.asKind(this.#kind.VariableStatement)?.getDeclarations() ?? []) own.add(d.getName());
    return this.#statements(statements, 0, inner, (after) => next(withoutOwn(vars, after, own)));
  }

  #declare(list: Node, vars: Vars): void {
    const found = list.asKindOrThrow(this.#kind.VariableDeclarationList);
    const fixed = found.getDeclarationKind() === "const";
    for (const d of found.getDeclarations()) {
      const init = d.getInitializer();
      if (init === undefined || d.getNameNode().getKind() !== this.#kind.Identifier) this.#unsupported(d);
      else vars.set(d.getName(), { value: this.#eval(init, vars), fixed });
    }
  }

  #branch(node: Node, vars: Vars, next: Next): Val | undefined {
    const statement = node.asKindOrThrow(this.#kind.IfStatement);
    const condition = truthOf(this.#eval(statement.getExpression(), vars));
    const yes = statement.getThenStatement();
    const no = statement.getElseStatement();
    if (typeof condition === "boolean") {
      const taken = condition ? yes : no;
      return taken === undefined ? next(vars) : this.#statement(taken, vars, next);
    }
    const side = (s: Statement | undefined, after: Next): Val | undefined =>
      s === undefined ? after(new Map(vars)) : this.#statement(s, new Map(vars), after);
    if (statement.getDescendantsOfKind(this.#kind.ReturnStatement).length > 0) {
      const [p, q] = [side(yes, next), side(no, next)];
      if (p === undefined || q === undefined)
        return this.#refuse(node, "a path through the function returns nothing", "return a value on every path");
      return choose(condition, p, q, this.#dtype);
    }
    // No branch returns: go on once, with the variables that they assigned chosen between.
    let ends: Vars[] = [];
    const keep: Next = (after) => {
      ends = [...ends, after];
      return undefined;
    };
    side(yes, keep);
    side(no, keep);
    const [p = vars, q = vars] = ends;
    const merged: Vars = new Map(vars);
    for (const [name, { fixed }] of vars) {
      const [a, b] = [p.get(name)?.value, q.get(name)?.value];
      if (a !== undefined && b !== undefined && a !== b)
        merged.set(name, { value: choose(condition, a, b, this.#dtype), fixed });
      else if (a !== undefined) merged.set(name, { value: a, fixed });
    }
    return next(merged);
  }

  #loop(node: Node, vars: Vars, next: Next): Val | undefined {
    const statement = node.asKindOrThrow(this.#kind.ForStatement);
    const [init, test, step] = [statement.getInitializer(), statement.getCondition(), statement.getIncrementor()];
    const inner: Vars = new Map(vars);
    const list = init?.asKind(this.#kind.VariableDeclarationList);
    const own = new Set(list?.getDeclarations().map((d) => d.getName()) ?? []);
    if (list !== undefined) this.#declare(list, inner);
    else if (init !== undefined) this.#assign(init, inner);
    const iterate = (at: Vars): Val | undefined => {
      const go = test === undefined ? true : truthOf(this.#eval(test, at));
      if (typeof go !== "boolean")
        return this.#refuse(
          test ?? node,
          "the loop's end depends on a tensor",
          "use plain bounds, or whileLoop outside of the kernel",
        );
      if (!go) return next(withoutOwn(vars, at, own));
      if (++this.#iterations > MOST_ITERATIONS)
        return this.#refuse(
          node,
          `more than ${MOST_ITERATIONS} iterations to unroll`,
          "use forLoop outside of the kernel",
        );
      return this.#statement(statement.getStatement(), at, (after) => {
        if (step !== undefined) this.#assign(step, after);
        return iterate(after);
      });
    };
    return iterate(inner);
  }

  /** Assigns in `vars`, and gives it back. */
  #assign(node: Node, vars: Vars): Vars {
    const k = this.#kind;
    const binary = node.asKind(k.BinaryExpression);
    const counted = node.asKind(k.PostfixUnaryExpression) ?? node.asKind(k.PrefixUnaryExpression);
    const target = binary?.getLeft() ?? counted?.getOperand();
    const name = target?.asKind(k.Identifier)?.getText();
    if (name === undefined) return this.#unsupported(node);
    const have = vars.get(name);
    if (have === undefined || have.fixed)
      return this.#refuse(node, `"${name}" cannot be assigned`, "declare it with let in the kernel");
    const symbol =
      binary?.getOperatorToken().getText() ?? (counted?.getOperatorToken() === k.PlusPlusToken ? "++" : "--");
    const right = binary === undefined ? 1 : this.#eval(binary.getRight(), vars);
    if (symbol === "=") {
      return vars.set(name, { value: right, fixed: false });
    }
    const op = OPERATORS[symbol === "++" ? "+" : symbol === "--" ? "-" : symbol.slice(0, -1)];
    if (op === undefined || (binary !== undefined && !symbol.endsWith("="))) return this.#unsupported(node);
    return vars.set(name, { value: operate(op, have.value, right, this.#dtype), fixed: false });
  }

  // ---- expressions

  #eval(node: Node, vars: Vars): Val {
    const k = this.#kind;
    const inner =
      node.asKind(k.ParenthesizedExpression) ??
      node.asKind(k.AsExpression) ??
      node.asKind(k.SatisfiesExpression) ??
      node.asKind(k.NonNullExpression);
    if (inner !== undefined) return this.#eval(inner.getExpression(), vars);
    const number = node.asKind(k.NumericLiteral);
    if (number !== undefined) return number.getLiteralValue();
    if (node.getKind() === k.TrueKeyword) return true;
    if (node.getKind() === k.FalseKeyword) return false;
    if (node.getKind() === k.Identifier) return this.#name(node, vars);
    const property = node.asKind(k.PropertyAccessExpression);
    if (property !== undefined) return CONSTANTS[property.getText()] ?? this.#unsupported(node);
    const unary = node.asKind(k.PrefixUnaryExpression);
    if (unary !== undefined) return this.#unary(unary.getOperatorToken(), this.#eval(unary.getOperand(), vars), node);
    const ternary = node.asKind(k.ConditionalExpression);
    if (ternary !== undefined) {
      const condition = truthOf(this.#eval(ternary.getCondition(), vars));
      if (typeof condition === "boolean")
        return this.#eval(condition ? ternary.getWhenTrue() : ternary.getWhenFalse(), vars);
      return choose(
        condition,
        this.#eval(ternary.getWhenTrue(), vars),
        this.#eval(ternary.getWhenFalse(), vars),
        this.#dtype,
      );
    }
    if (node.getKind() === k.BinaryExpression) return this.#binary(node, vars);
    if (node.getKind() === k.CallExpression) return this.#call(node, vars);
    return this.#unsupported(node);
  }

  #name(node: Node, vars: Vars): Val {
    const name = node.getText();
    const found = vars.get(name)?.value ?? CONSTANTS[name];
    if (found !== undefined) return found;
    return this.#refuse(
      node,
      `"${name}" is not a parameter or local of the kernel`,
      `numbers from outside are passed along: kernel(fn, { consts: { ${name} } })`,
    );
  }

  #unary(token: number, x: Val, node: Node): Val {
    const k = this.#kind;
    if (token === k.ExclamationToken) {
      const t = truthOf(x);
      return typeof t === "boolean" ? !t : t.logicalNot();
    }
    const n = numeric(x, this.#dtype);
    if (token === k.PlusToken) return n;
    if (token !== k.MinusToken) return this.#unsupported(node);
    return typeof n === "number" ? -n : n.neg();
  }

  #binary(node: Node, vars: Vars): Val {
    const binary = node.asKindOrThrow(this.#kind.BinaryExpression);
    const symbol = binary.getOperatorToken().getText();
    const left = this.#eval(binary.getLeft(), vars);
    if (symbol === "&&" || symbol === "||") {
      const t = truthOf(left);
      if (typeof t === "boolean") return t === (symbol === "||") ? left : this.#eval(binary.getRight(), vars);
      const right = this.#eval(binary.getRight(), vars);
      const truths = [left, right].every((v) => typeof v === "boolean" || (isTensor(v) && v.dtype === "bool"));
      if (!truths) return symbol === "&&" ? choose(t, right, left, this.#dtype) : choose(t, left, right, this.#dtype);
      return symbol === "&&" ? t.logicalAnd(boolTensor(right)) : t.logicalOr(boolTensor(right));
    }
    const op = OPERATORS[symbol];
    return op === undefined
      ? this.#unsupported(node)
      : operate(op, left, this.#eval(binary.getRight(), vars), this.#dtype);
  }

  #call(node: Node, vars: Vars): Val {
    const call = node.asKindOrThrow(this.#kind.CallExpression);
    const name = call.getExpression().getText();
    const [one, two] = [MATH[name], MATH2[name]];
    if (one === undefined && two === undefined) return this.#unsupported(node);
    const args = call.getArguments().map((a) => numeric(this.#eval(a, vars), this.#dtype));
    const [first, ...rest] = args;
    if (one !== undefined && first !== undefined && rest.length === 0)
      return typeof first === "number" ? one.fold(first) : one.apply(first);
    if (two === undefined || (two.empty === undefined && args.length !== 2)) return this.#unsupported(node);
    if (first === undefined) return two.empty ?? this.#unsupported(node);
    if (name === "Math.hypot" && rest.length === 0)
      return typeof first === "number" ? Math.abs(first) : toTensor(first, this.#dtype).abs();
    return rest.reduce<Val>((a, b) => operate(two, a, b, this.#dtype), first);
  }
}

/** The outer variables with what was assigned inside; names declared inside keep their outer meaning. */
function withoutOwn(outer: Vars, inner: Vars, own: ReadonlySet<string>): Vars {
  const out: Vars = new Map(outer);
  for (const name of outer.keys()) {
    const after = inner.get(name);
    if (after !== undefined && !own.has(name)) out.set(name, after);
  }
  return out;
}
