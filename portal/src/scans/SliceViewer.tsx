import { Alert, Button, Group, SegmentedControl, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { type Outlines, type Plane, type Slices, scansApi } from '../api/scans';
import { Section } from '../inbox/Section';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { SliceFigure } from './SliceFigure';

const t = texts.review.slices;
const PLANES: readonly Plane[] = ['sagittal', 'coronal', 'axial'];

interface Chosen {
  id: string;
  /** The names of labels. */
  names: ReadonlyMap<number, string>;
  /** The one label that is outlined and brought into view. */
  only: number | null;
  onOnly: (label: number | null) => void;
}

/** A scan in three planes, with the outlines of what was found in it. */
export function SliceViewer(chosen: Chosen) {
  const query = useQuery({
    queryKey: ['slices', chosen.id],
    queryFn: () => scansApi.slices(chosen.id),
    // What is seen is that of the measurement that the page is about, which begins anew with another.
    gcTime: 0,
    staleTime: Infinity,
  });
  return (
    <Section title={t.title}>
      <Text size="sm" c="dimmed">
        {t.hint}
      </Text>
      {query.isPending && <Loading lines={8} />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data && <Planes slices={query.data} {...chosen} />}
    </Section>
  );
}

function Planes({ id, slices, names, only, onOnly }: Chosen & { slices: Slices }) {
  const [wanted, setWanted] = useState<Outlines>(slices.outlines[0] ?? 'none');
  const outlines = only === null ? wanted : 'labels';
  const place = slices.regions.find(({ label }) => label === only)?.at ?? slices.middle;
  return (
    <>
      <Group gap="sm">
        {slices.outlines.length > 0 ? (
          <>
            <Text size="sm" aria-hidden>
              {t.outlines}
            </Text>
            <SegmentedControl
              size="xs"
              aria-label={t.outlines}
              value={outlines}
              onChange={(value) => {
                setWanted(value);
                onOnly(null);
              }}
              data={['none' as const, ...slices.outlines].map((value) => ({ value, label: t.kinds[value] }))}
            />
          </>
        ) : (
          <Text size="sm">{t.noOutlines}</Text>
        )}
        {outlines === 'tissues' && <TissueLegend />}
      </Group>
      {only !== null && (
        <Alert variant="light" color="gray" p="xs" role="status">
          <Group gap="sm">
            <Text size="sm">{t.only(names.get(only) ?? String(only))}</Text>
            <Button size="compact-xs" variant="default" onClick={() => onOnly(null)}>
              {t.all}
            </Button>
          </Group>
        </Alert>
      )}
      <div className="planes">
        {PLANES.map((plane) => (
          <SliceFigure
            key={`${plane} ${only}`}
            plane={plane}
            count={slices.count[plane] ?? 1}
            start={place[plane] ?? 0}
            address={(at) => scansApi.slice(id, plane, at, outlines, only)}
          />
        ))}
      </div>
      <Text size="xs" c="dimmed">
        {t.sidesHint}
      </Text>
    </>
  );
}

function TissueLegend() {
  return (
    <Group gap="sm" component="ul" className="legend">
      {(['fluid', 'grey', 'white'] as const).map((tissue) => (
        <li key={tissue}>
          <span className={`swatch ${tissue}`} aria-hidden />
          {t.tissues[tissue]}
        </li>
      ))}
    </Group>
  );
}
