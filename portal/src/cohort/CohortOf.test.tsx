import { MantineProvider } from '@mantine/core';
import { render, screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import type { CohortFlow, Experiment } from '../api/client';
import { FlowChart } from './CohortOf';
import { boxesOf, flowSvg } from './flow';

const flow: CohortFlow = {
  minimum: 10,
  complete: false,
  steps: [
    { words: '', patients: 1000, excluded: null },
    { words: 'Age is at least 60', patients: 830, excluded: 170 },
    { words: 'Sex is Female', patients: 830, excluded: 0 },
    { words: 'Age is at least <90>', patients: null, excluded: null },
  ],
};
const provenance = { patients: 789, records: 1200, excluded: 46 } as NonNullable<Experiment['provenance']>;

test('tells each step, and nothing of fewer than the minimum', () => {
  render(
    <MantineProvider>
      <FlowChart boxes={boxesOf(flow)} />
    </MantineProvider>,
  );
  const list = screen.getByRole('list', { name: 'How the cohort came about' });
  const told = within(list)
    .getAllByRole('listitem')
    .map((item) => item.textContent);
  expect(told).toEqual([
    'In the chosen datasets: about 1,000 patients',
    'Left out: about 170 patients, where this does not hold: Age is at least 60Left: about 830 patients',
    'Left out: few or none, where this does not hold: Sex is FemaleLeft: about 830 patients',
    'Left out: not told, where this does not hold: Age is at least <90>Left: fewer than 10 patients',
  ]);
});

test('ends with whom a result rests on', () => {
  const last = boxesOf(flow, provenance).at(-1);
  expect(last).toEqual({
    title: 'Analysed',
    count: '789 patients, 1,200 records',
    excluded: { count: '46 records', why: 'without a value in every variable' },
  });
});

test('is saved as a picture whose words are escaped', () => {
  const picture = new DOMParser().parseFromString(flowSvg(boxesOf(flow, provenance)), 'image/svg+xml');
  expect(picture.querySelector('parsererror')).toBeNull();
  expect(picture.documentElement.textContent).toContain('<90>');
  expect(picture.querySelectorAll('rect')).toHaveLength(1 + 5 + 4);
});
