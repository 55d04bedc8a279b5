import { expect, test } from 'vitest';

import type { Request } from '../api/client';
import { reopen, requestOf, stored } from './selection';

const WHOLE: Request = {
  algorithm: 'logistic_regression',
  inputdata: {
    data_model: 'dementia:1.0',
    datasets: ['edsd', 'ppmi'],
    y: ['gender'],
    x: ['lefthippocampus', 'subjectageyears'],
    filters: {
      condition: 'OR',
      not: true,
      valid: true,
      rules: [
        { id: 'subjectageyears', field: 'subjectageyears', operator: 'between', value: [55, 70] },
        {
          condition: 'AND',
          valid: true,
          rules: [{ id: 'gender', field: 'gender', operator: 'in', value: ['F'] }],
        },
      ],
    },
  },
  parameters: { positive_class: 'F', interactions: [['lefthippocampus', 'subjectageyears']] },
  grid: { penalty: [0.1, 1] },
  validation: { kind: 'folds', folds: 4, seed: 7 },
  preparation: {
    longitudinal: null,
    imputation: { method: 'multiple', imputations: 5, seed: 3 } as never,
    combat: { batch: 'scanner', preserve: ['subjectageyears'] } as never,
    standardise: {} as never,
  },
  compare: [{ algorithm: 'random_forest', parameters: { trees: 20 }, grid: { depth: [2, 3] } }],
  on_loss: 'continue',
};

test('a request that is opened again is asked again to the letter, with its name', () => {
  reopen(WHOLE, 'Sex from volumes');
  const selection = stored();
  expect(selection.name).toBe('Sex from volumes');
  expect(requestOf(selection, selection.datasets ?? [])).toEqual(WHOLE);
});

test('what was chosen before is left in no part of it', () => {
  reopen(WHOLE, 'Sex from volumes');
  const plain: Request = {
    algorithm: 'describe',
    inputdata: { data_model: 'dementia:1.0', datasets: ['edsd'], y: ['gender'], x: [], filters: null },
    parameters: {},
    grid: {},
    validation: null,
    preparation: null,
    compare: [],
    on_loss: 'fail',
  };
  reopen(plain);
  expect(requestOf(stored(), ['edsd'])).toEqual(plain);
});
