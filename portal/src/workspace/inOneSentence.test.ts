import { expect, it } from 'vitest';

import { inOneSentence } from './inOneSentence';

const asked = { algorithm: 'Linear regression', y: ['Left hippocampus'], x: ['Age', 'Sex'], datasets: 3, filter: null, prepared: false, validated: false };

it('says what is computed of whom', () => {
  expect(inOneSentence(asked)).toBe('Linear regression of Left hippocampus by Age and Sex, over all patients of 3 datasets.');
});

it('leaves out covariates where there are none, and tells the filter and what else is done', () => {
  expect(inOneSentence({ ...asked, x: [], datasets: 1, filter: 'Age ≥ 60', prepared: true, validated: true })).toBe(
    'Linear regression of Left hippocampus, over patients of one dataset where Age ≥ 60, after the chosen preparation, validated on patients that it has not seen.',
  );
});

it('counts the names beyond the fifth', () => {
  const x = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  expect(inOneSentence({ ...asked, x })).toContain('by a, b, c, d, e and 2 more, over');
});
