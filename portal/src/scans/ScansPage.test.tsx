import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, expect, test, vi } from 'vitest';

import type { ScanItem, ScanRecord } from '../api/scans';
import { ScansPage } from './ScansPage';

const refused: ScanRecord = {
  id: 'b',
  verdict: 'refused',
  rules: 'r',
  reason: '2 slices are missing inside the volume.',
  source: 'DICOM series',
  standing: null,
  files: 190,
};
const taken: ScanRecord = {
  id: 'a',
  standing: 'waiting',
  verdict: 'taken',
  rules: 'r',
  source: 'DICOM series',
  files: 192,
  patient: '7f3a',
  acquired: '2019-05-01',
  shape: [256, 256, 192],
  voxel: [0.97656, 0.97656, 1],
};
const lying: ScanItem = {
  name: 'disc',
  state: 'read',
  files: 382,
  size: 1000,
  changed: '2024-01-01T00:00:00Z',
  seen: '2024-01-01T00:00:00Z',
  stamp: 'x',
  under: 'u',
  outcome: { scans: { a: 'taken', b: 'refused' }, new: 2, problems: ['The zip has a password.'], trouble: null },
};

const idle = {
  standing: { waiting: 0, running: 0, done: 0, failed: 0, cancelled: 0, working: false, held: '', hourly: null, ends: null },
  jobs: [],
};

afterEach(() => vi.unstubAllGlobals());

test('scans are told with their verdicts, and chosen by them', async () => {
  const asked: string[] = [];
  vi.stubGlobal('fetch', (url: string) => {
    if (url.includes('/published')) return Promise.resolve(new Response('[]', { headers: { 'Content-Type': 'application/json' } }));
    if (url.includes('/queue')) return Promise.resolve(new Response(JSON.stringify(idle), { headers: { 'Content-Type': 'application/json' } }));
    asked.push(url);
    const items = url.includes('verdict=refused') ? [refused] : [taken, refused];
    const answer = url.includes('/inbox') ? [lying] : { total: items.length, items };
    return Promise.resolve(new Response(JSON.stringify(answer), { headers: { 'Content-Type': 'application/json' } }));
  });
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <ScansPage />
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
  expect(await screen.findByText('256 × 256 × 192 voxels of 0.98 × 0.98 × 1 mm')).toBeDefined();
  expect(screen.getByText('2 slices are missing inside the volume.')).toBeDefined();
  expect(await screen.findByText('1 taken, 0 left out, 1 refused; 2 of them new')).toBeDefined();
  expect(screen.getByText('The zip has a password.')).toBeDefined();
  expect(screen.getByRole('link', { name: 'Look at it: a' }).getAttribute('href')).toBe('/scans/a');
  expect(screen.queryByRole('link', { name: 'Look at it: b' })).toBeNull();
  await userEvent.click(screen.getByRole('combobox', { name: 'Review' }));
  await userEvent.click(await screen.findByRole('option', { name: 'waiting for review' }));
  await vi.waitFor(() => expect(asked.at(-1)).toContain('standing=waiting'));
  await userEvent.click(screen.getByRole('combobox', { name: 'Verdict' }));
  await userEvent.click(await screen.findByRole('option', { name: 'refused' }));
  await vi.waitFor(() => expect(screen.queryByText('7f3a')).toBeNull());
  expect(asked.at(-1)).toContain('verdict=refused');
});
