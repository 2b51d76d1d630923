/**
 * A parameter that chooses resources, wherever it leads: `code=x`, `subject:Patient.name=x` (a chain, over references of the
 * resource), `_has:Observation:patient:code=x` (a reverse chain, over references to it), and each of them inside the others.
 *
 * FHIR R4 search.html#chaining: chained parameters are evaluated separately, so each is a condition of its own.
 *
 * @see https://hl7.org/fhir/R4/search.html#chaining
 * @see https://hl7.org/fhir/R4/search.html#has
 */
import { searchParams } from '../params.ts';
import { Problem } from '../problem.ts';
import { details, ignore, type SearchContext } from './context.ts';
import { parseExpression } from './expression.ts';
import { filterOf, printable, requireReady, unserved } from './filters.ts';
import { operatorFilter, type Operator } from './operators.ts';
import type { ChainTarget, Filter, SearchParam } from '../search-request.ts';
import { splitEscaped } from './values.ts';
import { typeCode } from '../types.ts';

/** References from the resource searched to the one with the value: each is a join. R4's own examples have two. */
const stepsMax = 5;
/** Types an untyped chain may lead to: each is a subquery. References to anything (145 types) want theirs named. */
const targetsMax = 24;
/** Alternatives of one parameter: enough for a worklist of patients, bounded for the planner. */
const valuesMax = 500;

/** Known to R4 and not served here: refused, because ignoring one would widen or change the answer. */
const unservedParameters: Record<string, string> = {
  _type: 'A path that names a type is searched for it alone: [base]?_type=Patient,Observation.',
  _contained: 'Contained resources are found with their container.',
  _containedType: 'Contained resources are found with their container.',
  _query: 'Use search parameters.',
};

/**
 * @returns undefined when lenient handling ignored it
 * @throws Problem not-supported, value, invalid, too-costly
 */
export function parseCriterion(name: string, value: string, context: SearchContext): Filter | undefined {
  // FHIR R4 search.html#errors: a parameter without a value says nothing, and is no condition.
  if (value === '')
    return ignore(new Problem('invalid', 'search parameter without a value', details(name, context)), context);
  return readStep(name, value, { ...context, name, steps: 0 });
}

interface StepContext extends SearchContext {
  /** The whole parameter, for messages. */
  readonly name: string;
  readonly steps: number;
  /** Within `_filter`: how the value compares. */
  readonly operator?: Operator;
}

function readStep(name: string, value: string, context: StepContext): Filter | undefined {
  if (context.steps > stepsMax) {
    throw new Problem('too-costly', `a chain follows at most ${stepsMax} references`, expressionOf(context));
  }
  if (name.startsWith('_has:')) return readHas(name, value, context);
  if (name === '_list') return readList(value, context);
  if (name === '_filter') return readFilter(value, context);
  const dot = name.indexOf('.');
  return dot < 0 ? readPlain(name, value, context) : readChain(name.slice(0, dot), name.slice(dot + 1), value, context);
}

function readPlain(name: string, value: string, context: StepContext): Filter | undefined {
  const [code = '', ...modifiers] = name.split(':');
  const hint = Object.hasOwn(unservedParameters, code) ? unservedParameters[code] : undefined;
  if (hint !== undefined && !(code === '_contained' && value === 'false')) throw unserved(name, hint);
  const param = searchParams(context.type).get(code);
  if (param === undefined) return ignoreUnknown(context);
  if (context.operator !== undefined) {
    if (modifiers.length > 0)
      throw new Problem('invalid', 'a path of _filter takes no modifier', expressionOf(context));
    return operatorFilter(param, context.operator, value, context);
  }
  if (modifiers.length > 1) throw new Problem('invalid', 'a parameter takes one modifier', expressionOf(context));
  const texts = splitEscaped(value, ',').filter((text) => text !== '');
  if (texts.length === 0 || texts.length > valuesMax) {
    throw new Problem('value', `a parameter takes 1 to ${valuesMax} values`, { expression: param.code });
  }
  return filterOf(param, modifiers[0], texts, context);
}

/** `subject:Patient` and `name`. */
function readChain(head: string, rest: string, value: string, context: StepContext): Filter | undefined {
  const [code = '', modifier, ...more] = head.split(':');
  const param = searchParams(context.type).get(code);
  if (param === undefined) return ignoreUnknown(context);
  if (param.type !== 'reference')
    throw new Problem('invalid', `${code} is no reference to chain over`, expressionOf(context));
  requireReady(param);
  if (more.length > 0 || (modifier !== undefined && typeCode(modifier) === undefined)) {
    throw new Problem('invalid', 'a chain takes a resource type as its modifier', expressionOf(context));
  }
  const targets = readTargets(targetTypes(param, modifier, rest, context), rest, value, context);
  if (targets.length === 0) return ignoreUnknown(context);
  return { kind: 'chain', param, index: param.code, targets };
}

/** The types that a step of a chain may lead to. */
function targetTypes(
  param: SearchParam,
  modifier: string | undefined,
  rest: string,
  context: StepContext,
): readonly string[] {
  const possible = param.target ?? [];
  if (modifier !== undefined) {
    if (possible.length > 0 && !possible.includes(modifier)) {
      throw new Problem('invalid', `${param.code} never points to ${modifier}`, expressionOf(context));
    }
    return [modifier];
  }
  // Of all the types those that have the next parameter; a reverse chain fits any.
  const next = /^[^.:]*/.exec(rest)?.[0] ?? '';
  const types = rest.startsWith('_has:') ? possible : possible.filter((type) => searchParams(type).has(next));
  if (types.length > targetsMax) {
    throw new Problem('too-costly', `${param.code} may lead to ${types.length} types`, {
      ...expressionOf(context),
      hint: `Name the type: ${param.code}:Patient.${printable(next)}.`,
    });
  }
  return types;
}

/** The same text may be a value for one type and none for another: those that can read it are the targets. */
function readTargets(types: readonly string[], rest: string, value: string, context: StepContext): ChainTarget[] {
  const targets: ChainTarget[] = [];
  const refused: unknown[] = [];
  for (const type of types) {
    try {
      // What is unknown to one target is no issue as long as another knows it.
      const filter = readStep(rest, value, { ...context, handling: 'strict', type, steps: context.steps + 1 });
      if (filter !== undefined) targets.push({ type, filter });
    } catch (problem) {
      if (problem instanceof Problem && problem.code === 'too-costly') throw problem;
      refused.push(problem);
    }
  }
  if (targets.length === 0 && refused.length > 0) {
    const [problem] = refused;
    if (isUnknown(problem)) return [];
    throw problem;
  }
  return targets;
}

/** `_has:Observation:patient:code`: the type that refers, its reference, and what it must meet. */
function readHas(name: string, value: string, context: StepContext): Filter | undefined {
  const [, type = '', code = '', ...rest] = name.split(':');
  if (rest.length === 0 || rest[0] === '') {
    throw new Problem('invalid', '_has needs a type, a reference of it, and a parameter', {
      ...expressionOf(context),
      hint: 'Write _has:Observation:patient:code=1234-5.',
    });
  }
  if (typeCode(type) === undefined)
    throw new Problem('invalid', '_has names no resource type of R4', expressionOf(context));
  const param = searchParams(type).get(code);
  if (param === undefined) return ignoreUnknown({ ...context, type });
  if (param.type !== 'reference') throw new Problem('invalid', `${code} is no reference`, expressionOf(context));
  requireReady(param);
  if (param.target !== undefined && !param.target.includes(context.type)) {
    throw new Problem('invalid', `${type}.${code} never points to ${context.type}`, expressionOf(context));
  }
  const filter = readStep(rest.join(':'), value, { ...context, type, steps: context.steps + 1 });
  return filter && { kind: 'has', param, index: param.code, type, filter };
}

/**
 * The members of a List, which is a reverse chain to it.
 * @see https://hl7.org/fhir/R4/search.html#list
 */
function readList(value: string, context: StepContext): Filter | undefined {
  if (value.startsWith('$')) {
    throw unserved(
      '_list',
      'The hub keeps no functional lists ($current-problems ...): search by clinical-status or status.',
    );
  }
  return readHas('_has:List:item:_id', value, context);
}

/**
 * An expression over parameters, chains among them. What it does not know is refused under lenient handling too: an
 * expression without one of its tests is another.
 * @see https://hl7.org/fhir/R4/search_filter.html
 */
function readFilter(value: string, context: StepContext): Filter {
  if (context.operator !== undefined) throw new Problem('invalid', '_filter takes no _filter', expressionOf(context));
  return parseExpression(value, (path, operator, text) =>
    readStep(path, text, { ...context, handling: 'strict', name: path, operator }),
  );
}

function ignoreUnknown(context: StepContext): undefined {
  return ignore(new UnknownParameter(details(context.name, context)), context);
}

class UnknownParameter extends Problem {
  constructor(detail: { expression: string; hint: string }) {
    super('not-supported', 'unknown search parameter', detail);
  }
}

function isUnknown(problem: unknown): boolean {
  return problem instanceof UnknownParameter;
}

function expressionOf({ name }: StepContext): { expression: string } {
  return { expression: printable(name) };
}

/** Every parameter that a condition reads, with the type it reads it of. */
export function* paramsRead(type: string, filter: Filter): Generator<{ type: string; code: string }> {
  switch (filter.kind) {
    case 'chain':
      yield { type, code: filter.param.code };
      for (const target of filter.targets) yield* paramsRead(target.type, target.filter);
      break;
    case 'has':
      yield { type: filter.type, code: filter.param.code };
      yield* paramsRead(filter.type, filter.filter);
      break;
    case 'compartment':
      for (const { types, params } of filter.members) {
        for (const member of types) for (const code of params) yield { type: member, code };
      }
      break;
    case 'group':
      yield { type, code: filter.param.code };
      for (const inner of filter.filters) yield* paramsRead(type, inner);
      break;
    default:
      yield { type, code: filter.param.code };
  }
}
