import { expect, it } from 'vitest';

import { asPaper } from './paper';

it('numbers references as the paragraph cites them', () => {
  const pasted = asPaper({ paragraph: 'We used a test [1] and another [2].', references: ['Student.', 'Welch.'] });
  expect(pasted).toBe('We used a test [1] and another [2].\n\nReferences\n1. Student.\n2. Welch.');
});

it('is the paragraph alone where nothing is cited', () => {
  expect(asPaper({ paragraph: 'We counted.', references: [] })).toBe('We counted.');
});
