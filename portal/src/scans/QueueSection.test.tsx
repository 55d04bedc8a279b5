import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, expect, test, vi } from 'vitest';

import type { QueueStanding, ScanJob } from '../api/scans';
import { QueueSection } from './QueueSection';

const standing: QueueStanding = {
  waiting: 700,
  running: 2,
  done: 290,
  failed: 8,
  cancelled: 0,
  working: true,
  held: 'The disk has 0.4 GB free.',
  hourly: 31.25,
  ends: '2026-11-29T04:00:00Z',
};
const job: ScanJob = {
  scan: 'a',
  number: 1,
  priority: 0,
  atlas: null,
  setting: 'fast',
  state: 'running',
  step: 'register',
  attempts: 0,
  anew: false,
  trouble: '',
  queued: '2026-11-28T04:00:00Z',
  started: null,
  finished: null,
};
const jobs: ScanJob[] = [
  job,
  { ...job, scan: 'b', state: 'failed', step: '', trouble: 'The scan does not look like a head.' },
  { ...job, scan: 'c', state: 'waiting', step: '' },
  { ...job, scan: 'd', state: 'done', step: '' },
];

afterEach(() => vi.unstubAllGlobals());

test('the queue tells how far it is and when it ends, and each scan is cancelled, tried again or put first', async () => {
  const asked: unknown[] = [];
  vi.stubGlobal('fetch', (_: string, init?: RequestInit) => {
    if (init?.method === 'POST') asked.push(JSON.parse(init.body as string));
    const answer = init?.method === 'POST' ? { changed: 1 } : { standing, jobs };
    return Promise.resolve(new Response(JSON.stringify(answer), { headers: { 'Content-Type': 'application/json' } }));
  });
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <QueueSection />
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
  expect(await screen.findByText('290 of 1,000 measured, 2 under way, 700 wait, 8 failed')).toBeDefined();
  expect(screen.getByText(/^31.3 an hour; all done about 29 Nov 2026/)).toBeDefined();
  expect(screen.getByText('The disk has 0.4 GB free.')).toBeDefined();
  expect(screen.getByText('The scan does not look like a head.')).toBeDefined();
  expect(screen.queryByText('d')).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Measure first: c' }));
  await userEvent.click(screen.getByRole('button', { name: 'Try again: b' }));
  await userEvent.click(screen.getByRole('button', { name: 'Cancel: a' }));
  await userEvent.click(screen.getByRole('button', { name: 'Measure what is new' }));
  expect(await screen.findByText('1 scan changed.')).toBeDefined();
  expect(asked).toEqual([
    { change: 'first', scans: ['c'] },
    { change: 'retry', scans: ['b'] },
    { change: 'cancel', scans: ['a'] },
    { change: 'measure', scans: null },
  ]);
});
