import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import type { ScanJob, ScanSheet } from '../api/scans';
import { JobSection } from './JobSection';

const job: ScanJob = {
  scan: 'a',
  number: 1,
  priority: 0,
  atlas: null,
  setting: 'fast',
  state: 'failed',
  step: 'register',
  attempts: 0,
  anew: true,
  trouble: 'The scan does not look like a head.\nLook at it.',
  queued: '2026-11-28T04:00:00Z',
  started: null,
  finished: null,
};
const scan = { id: 'a', verdict: 'taken', reason: null } as ScanSheet['scan'];
const unmeasured: ScanSheet = { scan, measurement: null, reviews: [], waiting: { scans: 0, previous: null, next: null }, job: null };

function shown(sheet: Partial<ScanSheet>) {
  render(
    <MantineProvider env="test">
      <JobSection sheet={{ ...unmeasured, ...sheet }} />
    </MantineProvider>,
  );
}

afterEach(cleanup);

test('a scan that failed says at which step and why', () => {
  shown({ job });
  const alert = screen.getByRole('alert').textContent;
  expect(alert).toContain('It could not be measured');
  expect(alert).toContain('At the step: register');
  expect(alert).toContain('The scan does not look like a head.');
  expect(alert).toContain('Look at it.');
});

test('a scan that is under way says what is being done', () => {
  shown({ job: { ...job, state: 'running', step: 'deface', trouble: '' } });
  expect(screen.getByText('Measuring: measured now: remove the face')).toBeDefined();
});

test('a scan that was refused gives the reason and no advice to measure it', () => {
  shown({ scan: { ...scan, verdict: 'refused', reason: 'The series is 4D.' } });
  expect(screen.getByRole('alert').textContent).toContain('The series is 4D.');
  expect(screen.queryByText(/mip imaging measure/)).toBeNull();
});

test('a scan that nobody asked for says how it is measured', () => {
  shown({ job: { ...job, state: 'cancelled', step: '', trouble: '' } });
  expect(screen.getByText('This scan is not measured')).toBeDefined();
});
