import { Alert, Text } from '@mantine/core';

import type { ScanJob, ScanSheet } from '../api/scans';
import { Empty } from '../shared/Empty';
import { texts } from '../texts/texts';

const t = texts.review;

const asked: ScanJob['state'][] = ['waiting', 'running', 'cancelling'];

/** Whether a scan waits to be measured, or is measured just now. */
export const isUnderWay = (job: ScanJob | null) => job !== null && asked.includes(job.state);

/** Why a scan has no volumes: it was not taken, failed at a step, is measured now, or nobody asked for it yet. */
export function JobSection({ sheet: { scan, measurement, job } }: { sheet: ScanSheet }) {
  if (scan.verdict !== 'taken') {
    const color = scan.verdict === 'refused' ? 'red' : 'gray';
    return <Reason title={texts.scans.verdicts[scan.verdict]} lines={scan.reason ?? ''} color={color} />;
  }
  if (job?.state === 'failed') {
    const step = job.step && t.job.at(t.steps.names[job.step] ?? job.step);
    return <Reason title={t.job.failed} lines={[step, job.trouble, t.job.again].filter(Boolean).join('\n')} />;
  }
  if (job !== null && isUnderWay(job)) {
    const step = job.step && `: ${t.steps.names[job.step] ?? job.step}`;
    return <Text size="sm" mb="md">{`${t.job.queue}: ${texts.scans.queue.states[job.state]}${step}`}</Text>;
  }
  return measurement === null && <Empty title={t.notMeasured} hint={t.notMeasuredHint} />;
}

function Reason({ title, lines, color = 'red' }: { title: string; lines: string; color?: string }) {
  return (
    <Alert color={color} variant="light" title={title} mb="md">
      {lines.split('\n').map((line) => (
        <Text key={line} size="sm">
          {line}
        </Text>
      ))}
    </Alert>
  );
}
