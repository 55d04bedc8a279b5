import { describe, expect, it } from 'vitest';

import type { Variable } from '../api/client';
import { fromDocument, inWords, isComplete, newRule, type RuleGroup, toDocument } from './filter';

const age: Variable = { code: 'age', label: 'Age', type: 'real', sql_type: 'real', units: 'years', enumerations: [] } as unknown as Variable;
const sex = {
  code: 'sex', label: 'Sex', type: 'nominal', sql_type: 'text', enumerations: [{ code: 'F', label: 'Female' }],
} as unknown as Variable;

const known = new Map([['age', age], ['sex', sex]]);

const nested: RuleGroup = {
  condition: 'AND',
  rules: [
    { field: 'age', operator: 'between', value: [60, 80] },
    { condition: 'OR', rules: [{ field: 'sex', operator: 'in', value: ['F'] }, { field: 'age', operator: 'is_null', value: null }] },
  ],
};

describe('filters', () => {
  it('survive the way to the API and back', () => {
    const document = toDocument(nested);
    expect(toDocument(fromDocument(document))).toEqual(document);
  });

  it('without rules are no filter', () => {
    expect(toDocument({ condition: 'AND', rules: [] })).toBeNull();
    expect(fromDocument(null)).toBeNull();
  });

  it('read as a person would say them', () => {
    expect(inWords(nested, known)).toBe('Age is between 60 and 80 years and (Sex is Female or Age is missing)');
    expect(inWords({ ...nested, not: true }, new Map())).toBe(
      'not (age is between 60 and 80 and (sex is F or age is missing))',
    );
  });

  it('written elsewhere keep their meaning', () => {
    const written = { condition: 'or', not: true, rules: [{ id: 'x', field: 'sex', operator: 'not_equal', value: 'F' }] };
    expect(fromDocument(written)).toEqual({
      condition: 'OR',
      not: true,
      rules: [{ field: 'sex', operator: 'not_in', value: ['F'] }],
    });
    expect(toDocument(fromDocument(written))).toMatchObject({ condition: 'OR', not: true });
  });

  it('written without a value where none is taken are told all the same', () => {
    const written = { condition: 'AND', rules: [{ field: 'sex', operator: 'is_not_null' }] };
    const filter = fromDocument(written);
    expect(filter?.rules[0]).toEqual({ field: 'sex', operator: 'is_not_null', value: null });
    expect(filter && inWords(filter, known)).toBe('Sex is known');
  });

  it('are complete once every rule has its value', () => {
    expect(isComplete(nested)).toBe(true);
    expect(isComplete({ condition: 'AND', rules: [newRule(age)] })).toBe(false);
    expect(isComplete({ condition: 'AND', rules: [newRule(sex)] })).toBe(false);
    expect(isComplete({ condition: 'AND', rules: [{ ...newRule(age), value: 3 }] })).toBe(true);
  });
});
