import { describe, expect, test } from 'vitest';

import type { InboxEntry } from '../api/data';
import { codeFor, DETECTED, firstChoice, isMoving, kindOf, problemsOf } from './item';

function item(part: Partial<InboxEntry>): InboxEntry {
  return {
    name: 'Ward 2024.csv',
    state: 'unmatched',
    size: 1,
    changed: '2024-01-01T00:00:00Z',
    seen: '2024-01-01T00:00:00Z',
    stamp: 'x',
    gone: false,
    tables: [],
    fits: [],
    choice: null,
    recognised: false,
    kind: '',
    records: 0,
    datasets: [],
    problems: [],
    listed: null,
    trouble: null,
    order: null,
    published: [],
    quarantined: null,
    step: '',
    fraction: null,
    separable: false,
    ...part,
  };
}

describe('what a person begins with', () => {
  test('is the model that fits best, and a code made of the name', () => {
    const found = firstChoice(item({ fits: [{ model: 'b:1', columns: 3, exact: 0 }] }), ['a:1', 'b:1']);
    expect(found).toMatchObject({ model: 'b:1', dataset: 'ward-2024', mapping: null });
  });

  test('leaves the dataset to the rows where they say it', () => {
    const column = { name: 'dataset', kind: 'codes', filled: 2 };
    const table = { columns: [column] } as InboxEntry['tables'][number];
    expect(firstChoice(item({ tables: [table] }), ['a:1']).dataset).toBeNull();
  });

  test('is what was chosen before', () => {
    const choice = { model: 'a:1', dataset: 'x', mapping: 'edsd', others: [], options: DETECTED, synthetic: true };
    expect(firstChoice(item({ choice }), [])).toBe(choice);
  });
});

test('a code is made of letters, digits and hyphens', () => {
  expect(codeFor('Export clinique mémoire.v2.csv')).toBe('export-clinique-m-moire-v2');
  expect(codeFor('…')).toBe('');
});

test('a mapping is named', () => {
  expect(kindOf(item({}))).toBe('as it is');
  expect(kindOf(item({ kind: 'own' }))).toBe('own mapping');
  expect(kindOf(item({ kind: 'omop_5_4' }))).toBe('omop_5_4');
});

test('what is wrong is counted, and what keeps a file from being read is told', () => {
  const problem = { kind: 'fraction', column: 'age', rule: 'r', count: 1200, rows: [2], file: null } as const;
  expect(problemsOf(item({ problems: [{ ...problem, rows: [2] }] }))).toBe('1,200');
  const trouble = { title: 't', detail: 'no table', remedy: null, small_change: false };
  expect(problemsOf(item({ trouble }))).toBe('no table');
});

test('nothing is asked of a file while something is done with it', () => {
  expect(isMoving(item({ state: 'publishing' }))).toBe(true);
  expect(isMoving(item({ state: 'ready' }))).toBe(false);
});
