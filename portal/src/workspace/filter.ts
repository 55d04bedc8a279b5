import type { Variable } from '../api/client';
import { texts } from '../texts/en';

export type Operator = keyof typeof texts.filter.operators;
export type RuleValue = string | number | (string | number)[] | null;

export interface Rule {
  field: string;
  operator: Operator;
  value: RuleValue;
}

export interface RuleGroup {
  condition: 'AND' | 'OR';
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
    return Array.isArray(part.value) && part.value.length === 2 && part.value.every((value) => value !== '');
  }
  if (Array.isArray(part.value)) return part.value.length > 0;
  return part.value !== null && part.value !== '';
}

/** The QueryBuilder document that the API takes; null for no filter. */
export function toDocument(filter: RuleGroup | null): Record<string, unknown> | null {
  if (!filter || filter.rules.length === 0) return null;
  return {
    condition: filter.condition,
    valid: true,
    rules: filter.rules.map((part) =>
      isGroup(part)
        ? toDocument(part)
        : { id: part.field, field: part.field, operator: part.operator, value: part.value },
    ),
  };
}

/** A filter back from a QueryBuilder document, as far as the builder knows its parts. */
export function fromDocument(document: unknown): RuleGroup | null {
  if (typeof document !== 'object' || document === null || !('rules' in document)) return null;
  const { rules } = document as { rules: unknown[] };
  const { condition } = document as { condition?: string };
  return {
    condition: condition?.toUpperCase() === 'OR' ? 'OR' : 'AND',
    rules: rules.flatMap((part): (Rule | RuleGroup)[] => {
      const group = fromDocument(part);
      return group ? [group] : [part as Rule];
    }),
  };
}

/** A filter as a person would say it. */
export function inWords(filter: RuleGroup, label: (code: string) => string): string {
  const joint = filter.condition === 'AND' ? ' and ' : ' or ';
  return filter.rules
    .map((part) => {
      if (isGroup(part)) return `(${inWords(part, label)})`;
      const value = Array.isArray(part.value)
        ? part.value.join(part.operator.includes('between') ? ' and ' : ', ')
        : (part.value ?? '');
      return `${label(part.field)} ${texts.filter.operators[part.operator]} ${value}`.trim();
    })
    .join(joint);
}
