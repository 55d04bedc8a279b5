import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { afterEach, expect, it } from 'vitest';

import type { AlgorithmEntry } from '../api/client';
import { comparable } from './CompareField';
import { filled, type Grid, GridField, learnable } from './GridField';

const algorithm = {
  name: 'net',
  parameters: {
    $defs: { Rule: { type: 'string', enum: ['one', 'two'] } },
    properties: {
      penalty: { anyOf: [{ type: 'number' }, { type: 'null' }], title: 'Penalty', default: null },
      steps: { type: 'integer', title: 'Steps' },
      rule: { $ref: '#/$defs/Rule', title: 'Rule' },
      positive: { type: 'string', level_of: 'y' },
      confidence: { type: 'number' },
    },
  },
} as unknown as AlgorithmEntry;

afterEach(cleanup);

function Field({ onSend }: { onSend: (grid: Grid) => void }) {
  const [grid, setGrid] = useState<Grid>({});
  return (
    <MantineProvider env="test">
      <GridField
        algorithm={algorithm}
        grid={grid}
        onChange={(after) => {
          setGrid(after);
          onSend(after);
        }}
      />
    </MantineProvider>
  );
}

it('offers numbers and choices, never levels or an interval’s confidence', () => {
  expect([...learnable(algorithm).keys()]).toEqual(['penalty', 'steps', 'rule']);
});

it('takes values as numbers and leaves out what is none', async () => {
  const sent: Grid[] = [];
  render(<Field onSend={(grid) => sent.push(grid)} />);
  const user = userEvent.setup();
  await user.click(screen.getByRole('combobox', { name: 'Learn a parameter' }));
  await user.click(screen.getByRole('option', { name: 'Penalty' }));
  await user.type(screen.getByRole('combobox', { name: /Penalty: values/ }), '0.1,few,2{Enter}');
  expect(sent.at(-1)).toEqual({ penalty: [0.1, 2] });
  await user.click(screen.getByRole('button', { name: 'Do not learn Penalty' }));
  expect(sent.at(-1)).toEqual({});
});

it('sends no parameter without a value', () => {
  expect(filled({ penalty: [], steps: [3] })).toEqual({ steps: [3] });
});

it('compares with algorithms of the same cohort that predict where predictions are judged', () => {
  const entry = (name: string, missing: string, predicts: boolean) => ({ name, missing, predicts }) as AlgorithmEntry;
  const [first, keeps, predicts, tests] = [
    entry('first', 'drop', true),
    entry('keeps', 'keep', true),
    entry('predicts', 'drop', true),
    entry('tests', 'drop', false),
  ] as [AlgorithmEntry, AlgorithmEntry, AlgorithmEntry, AlgorithmEntry];
  const names = (validated: boolean) => comparable(first, [keeps, predicts, tests], validated).map(({ name }) => name);
  expect(names(false)).toEqual(['predicts', 'tests']);
  expect(names(true)).toEqual(['predicts']);
});
