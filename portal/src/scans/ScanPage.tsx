import { Anchor, Button, Group, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'react-router';

import { type ScanSheet, scansApi } from '../api/scans';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { BrainSection } from './BrainSection';
import { DecisionSection, useDecision } from './DecisionSection';
import { isUnderWay, JobSection } from './JobSection';
import { QualitySection } from './QualitySection';
import { ReviewsSection } from './ReviewsSection';
import { SliceViewer } from './SliceViewer';
import { StandingBadge } from './StandingBadge';
import { StepsSection } from './StepsSection';
import { VolumesSection } from './VolumesSection';

const t = texts.review;
const LOOK_EVERY = 5_000;

/** One scan: what was measured of it, looked at and decided about. */
export function ScanPage() {
  const id = useParams()['id'] ?? '';
  return <Scan key={id} id={id} />;
}

function Scan({ id }: { id: string }) {
  const send = useDecision(id);
  const query = useQuery({
    queryKey: ['scan', id],
    queryFn: () => scansApi.sheet(id),
    refetchInterval: ({ state }) => isUnderWay(state.data?.job ?? null) && LOOK_EVERY,
  });
  return (
    <div className="page">
      <title>{`${t.title} ${id} · ${texts.brand}`}</title>
      <Anchor component={Link} to="/scans" size="sm">
        {t.back}
      </Anchor>
      {query.isPending && <Loading />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data && <Sheet key={query.data.measurement?.hash} sheet={query.data} send={send} />}
    </div>
  );
}

function Sheet({ sheet, send }: { sheet: ScanSheet; send: ReturnType<typeof useDecision> }) {
  const { scan, measurement, reviews } = sheet;
  const [only, setOnly] = useState<number | null>(null);
  const regions = measurement?.judgement.volumes ?? [];
  const names = new Map(regions.flatMap(({ label, name }) => (label === null ? [] : [[label, name] as const])));
  return (
    <>
      <Group justify="space-between" align="start" mb="md" gap="sm">
        <div>
          <Group gap="sm">
            <Title order={1} fz="1.55rem">
              {`${t.title} ${scan.id}`}
            </Title>
            <StandingBadge standing={scan.standing} />
          </Group>
          <Text size="sm" c="dimmed">
            {described(sheet)}
          </Text>
        </div>
        <Neighbours sheet={sheet} />
      </Group>
      <JobSection sheet={sheet} />
      {scan.verdict === 'taken' && <SliceViewer id={scan.id} names={names} only={only} onOnly={setOnly} />}
      <div className="experiment measured">
        <Stack gap="lg">
          {measurement && <VolumesSection judgement={measurement.judgement} only={only} onShow={setOnly} />}
          {measurement && <BrainSection id={scan.id} />}
          {measurement && <StepsSection measurement={measurement} />}
        </Stack>
        <Stack gap="lg">
          <ProblemAlert error={send.error} />
          <div>
            <div role="status">
              {send.data && (
                <Text size="sm" fw={550} mb="sm">
                  {t.decision.done(t.decision.kinds[send.data.decision])}
                </Text>
              )}
            </div>
            {measurement && <DecisionSection measurement={measurement} reviews={reviews.length} send={send} />}
          </div>
          <ReviewsSection reviews={reviews} measurement={measurement} />
          {measurement && <QualitySection measurement={measurement} />}
        </Stack>
      </div>
    </>
  );
}

/** The way to the scans that still wait. */
function Neighbours({ sheet: { waiting } }: { sheet: ScanSheet }) {
  const step = (to: string | null, label: string) =>
    to === null ? (
      <Button size="xs" variant="default" disabled>
        {label}
      </Button>
    ) : (
      <Button size="xs" variant="default" component={Link} to={`/scans/${encodeURIComponent(to)}`}>
        {label}
      </Button>
    );
  return (
    <nav aria-label={t.waits(waiting.scans)}>
      <Group gap="xs">
        <Text size="sm">{t.waits(waiting.scans)}</Text>
        {step(waiting.previous, t.previousWaiting)}
        {step(waiting.next, t.nextWaiting)}
      </Group>
    </nav>
  );
}

function described({ scan }: ScanSheet): string {
  const told = [
    scan.patient && `${t.facts.patient} ${scan.patient}`,
    scan.acquired && `${t.facts.acquired} ${scan.acquired}`,
    scan.shape && scan.voxel && texts.scans.volume(scan.shape, scan.voxel),
    texts.scans.source(scan.source, scan.files),
  ];
  return told.filter(Boolean).join(' · ');
}
