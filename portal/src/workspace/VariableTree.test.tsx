import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, it } from 'vitest';

import type { ModelTree } from '../api/client';
import { VariableTree } from './VariableTree';

const variable = (code: string, label: string) => ({ code, label, type: 'real', sql_type: 'real', enumerations: [] });
const model = {
  key: 'm:1', code: 'm', version: '1', label: 'Model', description: '', longitudinal: false, variables: [],
  groups: [
    {
      code: 'brain', label: 'Brain', variables: [variable('hip', 'Hippocampus')],
      groups: [{ code: 'deep', label: 'Deep', variables: [variable('amy', 'Amygdala')], groups: [] }],
    },
  ],
} as unknown as ModelTree;

afterEach(cleanup);

function shown(present?: ReadonlySet<string>) {
  const chosen: string[] = [];
  const used: string[] = [];
  render(
    <MantineProvider>
      <VariableTree
        model={model}
        present={present}
        chosen={null}
        onChoose={(code) => chosen.push(code)}
        onUse={(codes, role) => used.push(`${role}: ${codes.join(' ')}`)}
      />
    </MantineProvider>,
  );
  return { chosen, used };
}

it('opens groups and chooses variables by keyboard alone', async () => {
  const { chosen } = shown();
  const user = userEvent.setup();
  screen.getByRole('treeitem', { name: /Brain/ }).focus();
  await user.keyboard('{ArrowRight}{ArrowDown}{ArrowRight}{ArrowDown}{Enter}');
  expect(chosen).toEqual(['amy']);
});

it('gives variables and whole groups a role by one key', async () => {
  const { used } = shown();
  screen.getByRole('treeitem', { name: /Brain/ }).focus();
  await userEvent.setup().keyboard('x{ArrowRight}{ArrowDown}{ArrowRight}{ArrowDown}y');
  expect(used).toEqual(['x: hip amy', 'y: amy']);
});

it('takes a role before the datasets are known, and for no variable that they lack', async () => {
  for (const [present, expected] of [[undefined, ['y: hip amy']], [new Set(['amy']), ['y: amy']]] as const) {
    const { used } = shown(present);
    screen.getByRole('treeitem', { name: /Brain/ }).focus();
    await userEvent.setup().keyboard('y');
    expect(used).toEqual(expected);
    cleanup();
  }
});

it('shows what a search matches, whatever group it is in', async () => {
  shown();
  await userEvent.setup().type(screen.getByRole('searchbox'), 'amyg');
  expect(screen.getAllByRole('treeitem').map((line) => line.getAttribute('title'))).toContain('Amygdala');
  expect(screen.queryByRole('treeitem', { name: /Hippocampus/ })).toBeNull();
});

it('says when nothing matches', async () => {
  shown();
  await userEvent.setup().type(screen.getByRole('searchbox'), 'kidney');
  expect(screen.getByText('No variable matches.')).toBeTruthy();
});
