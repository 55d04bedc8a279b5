import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, it } from 'vitest';

import type { ModelTree } from '../api/client';
import { STEP } from './drawn';
import { VariableExplorer } from './VariableExplorer';

const variable = (code: string, label: string) => ({
  code, label, type: 'real', sql_type: 'real', description: '', enumerations: [],
});
const model = {
  key: 'm:1', code: 'm', version: '1', label: 'Model', description: '', longitudinal: false, variables: [],
  groups: [
    {
      code: 'brain', label: 'Brain', variables: [variable('hip', 'Hippocampus')],
      groups: [{ code: 'deep', label: 'Deep', variables: [variable('amy', 'Amygdala')], groups: [] }],
    },
  ],
} as unknown as ModelTree;

afterEach(() => {
  cleanup();
  localStorage.clear();
});

function shown(present?: ReadonlySet<string>, of: ModelTree = model) {
  const chosen: string[] = [];
  const used: string[] = [];
  render(
    <MantineProvider>
      <VariableExplorer
        model={of}
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

it('zooms into circles and out again by keys, and remembers that circles are wanted', async () => {
  const { chosen, used } = shown();
  const user = userEvent.setup();
  await user.click(screen.getByRole('radio', { name: 'Circles' }));
  const brain = await screen.findByRole('treeitem', { name: 'Brain, 2 variables' });
  brain.focus();
  await user.keyboard('x{Enter}');
  expect(document.activeElement?.getAttribute('aria-label')).toMatch(/Hippocampus|Deep, 1 variable/);
  expect(screen.getByRole('navigation', { name: 'Where you are in the data model' }).textContent).toBe('ModelBrain');
  screen.getByRole('treeitem', { name: 'Deep, 1 variable' }).focus();
  await user.keyboard('{ArrowDown}');
  expect(document.activeElement?.getAttribute('aria-label')).toBe('Amygdala');
  await user.keyboard('{Enter}{Escape}');
  expect(document.activeElement?.getAttribute('aria-label')).toBe('Deep, 1 variable');
  await user.click(screen.getByRole('button', { name: 'Model' }));
  expect(screen.getByRole('treeitem', { name: 'Brain, 2 variables' })).toBeTruthy();
  expect([chosen, used]).toEqual([['amy'], ['x: hip amy']]);
  cleanup();
  shown();
  expect(await screen.findByRole('treeitem', { name: 'Brain, 2 variables' })).toBeTruthy();
});

it('says of a circle that the chosen datasets lack its variable', async () => {
  localStorage.setItem('mip-variables-view', 'circles');
  shown(new Set(['amy']));
  await userEvent.setup().click(await screen.findByRole('treeitem', { name: /Brain/ }));
  expect(screen.getByRole('treeitem', { name: 'Hippocampus, in none of the chosen datasets' })).toBeTruthy();
});

it('lists what is found by another word for it, with the reason', async () => {
  shown();
  await userEvent.setup().type(screen.getByRole('searchbox'), 'Mandelkern');
  expect(screen.getByRole('treeitem', { name: /Amygdala/ }).textContent).toContain('name: amygdala for “mandelkern”');
  expect(screen.getByRole('status').textContent).toBe('1 variable found');
});

const large = {
  ...model, groups: [], variables: Array.from({ length: 400 }, (_, place) => variable(`v${place}`, `Region ${place}`)),
} as unknown as ModelTree;

it('draws the first lines of many, whatever is typed, and the others as one walks or asks', async () => {
  const { chosen } = shown(undefined, large);
  const user = userEvent.setup();
  const lines = () => screen.getAllByRole('treeitem').length;
  expect(lines()).toBe(STEP);
  for (const key of 'region') {
    await user.type(screen.getByRole('searchbox'), key);
    expect(screen.getByRole('status').textContent).toBe('400 variables found');
    expect(lines()).toBe(STEP);
  }
  await user.click(screen.getByRole('button', { name: `${400 - STEP} more` }));
  expect(lines()).toBe(2 * STEP);
  screen.getAllByRole('treeitem').at(-1)?.focus();
  await user.keyboard('{ArrowDown}{Enter}');
  expect(lines()).toBe(3 * STEP);
  expect(chosen).toEqual([`v${2 * STEP}`]);
  await user.keyboard('{End}{Enter}');
  expect(chosen.at(-1)).toBe('v399');
  await user.type(screen.getByRole('searchbox'), '{Backspace}');
  expect(lines()).toBe(STEP);
});
