import type { Variable } from '../api/client';
import { locale, texts } from '../texts/texts';

export type Operator = keyof typeof texts.filter.operators;
export type RuleValue = string | number | (string | number)[] | null;

export interface Rule {
  field: string;
  operator: Operator;
  value: RuleValue;
}

export interface RuleGroup {
  condition: 'AND' | 'OR';
  not?: boolean;
  rules: (Rule | RuleGroup)[];
}

export const emptyFilter: RuleGroup = { condition: 'AND', rules: [] };

export function isGroup(part: Rule | RuleGroup): part is RuleGroup {
  return 'condition' in part;
}

const NUMERIC: Operator[] = [
  'greater_or_equal', 'less_or_equal', 'between', 'equal', 'not_equal', 'greater', 'less', 'not_between', 'is_not_null', 'is_null',
];
const NOMINAL: Operator[] = ['in', 'not_in', 'is_not_null', 'is_null'];
const TEXT: Operator[] = ['is_not_null', 'is_null'];

export function isNumeric(variable: Variable): boolean {
  return variable.type === 'real' || variable.type === 'integer';
}

export function isNominal(variable: Variable): boolean {
  return variable.code === 'dataset' || (variable.type === 'nominal' && variable.enumerations.length > 0);
}

export function operatorsOf(variable: Variable): Operator[] {
  if (isNumeric(variable)) return NUMERIC;
  return isNominal(variable) ? NOMINAL : TEXT;
}

export function newRule(variable: Variable): Rule {
  const operator = operatorsOf(variable)[0] ?? 'is_not_null';
  return { field: variable.code, operator, value: startValue(operator) };
}

export function startValue(operator: Operator): RuleValue {
  if (operator === 'in' || operator === 'not_in' || operator === 'between' || operator === 'not_between') return [];
  return null;
}

export function isComplete(part: Rule | RuleGroup): boolean {
  if (isGroup(part)) return part.rules.length > 0 && part.rules.every(isComplete);
  if (part.operator === 'is_null' || part.operator === 'is_not_null') return true;
  if (part.operator === 'between' || part.operator === 'not_between') {
    return Array.isArray(part.value) && part.value.length === 2 && part.value.every((value) => typeof value === 'number');
  }
  if (Array.isArray(part.value)) return part.value.length > 0;
  return part.value !== null && part.value !== '';
}

/** The QueryBuilder document that the API takes; null for no filter. */
export function toDocument(filter: RuleGroup | null): Record<string, unknown> | null {
  if (!filter || filter.rules.length === 0) return null;
  return {
    condition: filter.condition,
    ...(filter.not ? { not: true } : {}),
    valid: true,
    rules: filter.rules.map((part) =>
      isGroup(part)
        ? toDocument(part)
        : { id: part.field, field: part.field, operator: part.operator, value: part.value },
    ),
  };
}

/** A filter back from a QueryBuilder document. */
export function fromDocument(document: unknown): RuleGroup | null {
  if (typeof document !== 'object' || document === null || !('rules' in document)) return null;
  const { rules, condition, not } = document as { rules: unknown[]; condition?: string; not?: boolean };
  return {
    condition: condition?.toUpperCase() === 'OR' ? 'OR' : 'AND',
    ...(not ? { not: true } : {}),
    rules: rules.flatMap((part): (Rule | RuleGroup)[] => {
      const group = fromDocument(part);
      return group ? [group] : [levelsAsList(part as Rule)];
    }),
  };
}

/** The builder offers lists of levels only; one level is a list of one. */
function levelsAsList({ field, operator, value: said }: Omit<Rule, 'value'> & { value?: RuleValue }): Rule {
  // A rule of a script may leave the value out where the operator takes none.
  const value = said ?? null;
  if (typeof value === 'string' && operator === 'equal') return { field, operator: 'in', value: [value] };
  if (typeof value === 'string' && operator === 'not_equal') return { field, operator: 'not_in', value: [value] };
  return { field, operator, value };
}

/** A filter as a person would say it. */
export function inWords(filter: RuleGroup, variables: ReadonlyMap<string, Variable>): string {
  const words = filter.rules
    .map((part) => (isGroup(part) ? `(${inWords(part, variables)})` : ruleInWords(part, variables.get(part.field))))
    .join(filter.condition === 'AND' ? texts.filter.and : texts.filter.or);
  return filter.not ? `${texts.filter.not} (${words})` : words;
}

function ruleInWords({ field, operator, value }: Rule, variable: Variable | undefined): string {
  const levels = new Map(variable?.enumerations.map((level) => [level.code, level.label]));
  const values = (Array.isArray(value) ? value : value === null ? [] : [value]).map((one) =>
    typeof one === 'string' ? levels.get(one) || one : one.toLocaleString(locale),
  );
  const verb = texts.filter.operators[values.length === 1 && operator === 'in' ? 'equal' : operator];
  const joined = values.join(operator.includes('between') ? texts.filter.and : ', ');
  const numeric = variable && isNumeric(variable) && values.length > 0;
  return `${variable?.label || field} ${verb} ${joined} ${numeric ? variable.units : ''}`.trim().replace(/ +/g, ' ');
}
