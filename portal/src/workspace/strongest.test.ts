import { expect, it } from 'vitest';

import type { ModelTree, Variable } from '../api/client';
import { strongest } from './strongest';
import { neighbours } from './variables';

it('orders relations by their strength, whatever their sign', () => {
  const result = { rows: ['a'], columns: ['b', 'c', 'd', 'e'], correlations: [[0.2, -0.9, null, 0.5]] };
  expect(strongest(result, 2)).toEqual([
    { code: 'c', r: -0.9 },
    { code: 'e', r: 0.5 },
  ]);
});

it('looks for neighbours in the own group first', () => {
  const variable = (code: string) => ({ code, label: code, description: '' }) as unknown as Variable;
  const group = (code: string, variables: string[], groups: unknown[] = []) => ({ code, label: code, variables: variables.map(variable), groups });
  const model = {
    variables: [variable('age')],
    groups: [group('brain', ['whole'], [group('deep', ['left', 'right', 'scan']), group('cortex', ['thin'])])],
  } as unknown as ModelTree;
  const found = neighbours(model, 'left', ({ code }) => code !== 'scan', 4);
  expect(found.map(({ code }) => code)).toEqual(['right', 'whole', 'thin', 'age']);
});
