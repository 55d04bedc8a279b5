import { Badge, Group, SegmentedControl, Table, Text } from '@mantine/core';
import { useState } from 'react';

import type { JudgedVolume, Measurement } from '../api/scans';
import { Section } from '../inbox/Section';
import { locale, texts } from '../texts/texts';
import { Distance } from './Distance';

const t = texts.review.volumes;

/** The volumes of a scan beside those of the site's accepted scans; the flagged ones first. */
export function VolumesSection({
  judgement,
  only,
  onShow,
}: {
  judgement: Measurement['judgement'];
  only: number | null;
  onShow: (label: number) => void;
}) {
  const flagged = judgement.volumes.filter(({ flags }) => flags.length > 0);
  const [which, setWhich] = useState(flagged.length > 0 ? 'flagged' : 'all');
  const shown = which === 'flagged' ? flagged : judgement.volumes;
  const enough = judgement.scans >= judgement.needed;
  return (
    <Section title={t.title}>
      <Text size="sm" c="dimmed">
        {`${enough ? t.reference(judgement.scans, judgement.like) : t.tooFew(judgement.scans, judgement.needed)} ${t.method}`}
      </Text>
      <SegmentedControl
        size="xs"
        w="fit-content"
        aria-label={t.which}
        value={which}
        onChange={setWhich}
        data={[
          { value: 'flagged', label: t.flagged(flagged.length) },
          { value: 'all', label: t.all(judgement.volumes.length) },
        ]}
      />
      {shown.length === 0 ? <Text size="sm">{t.none}</Text> : <Volumes volumes={shown} only={only} onShow={onShow} />}
    </Section>
  );
}

function Volumes({
  volumes,
  only,
  onShow,
}: {
  volumes: readonly JudgedVolume[];
  only: number | null;
  onShow: (label: number) => void;
}) {
  return (
    <Table.ScrollContainer minWidth={520} type="native" role="group" aria-label={t.which} tabIndex={0}>
      <Table className="result-table" aria-label={t.title}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{t.columns.region}</Table.Th>
            <Table.Th scope="col" className="number">
              {t.columns.volume}
            </Table.Th>
            <Table.Th scope="col" className="number">
              {t.columns.z}
            </Table.Th>
            <Table.Th scope="col" title={t.pictureHint}>
              {t.columns.picture}
            </Table.Th>
            <Table.Th scope="col" className="number" title={t.asymmetryHint}>
              {t.columns.asymmetry}
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {volumes.map((volume) => (
            <Table.Tr key={volume.code}>
              <Table.Td className="long">
                <Name volume={volume} shown={volume.label !== null && volume.label === only} onShow={onShow} />
                <Group gap={4} mt={volume.flags.length > 0 ? 4 : 0}>
                  {volume.flags.map((flag) => (
                    <Badge key={flag} color="orange" variant="light" className="state">
                      {t.flags[flag]}
                    </Badge>
                  ))}
                </Group>
              </Table.Td>
              <Table.Td className="number">{written(volume.cm3, 2)}</Table.Td>
              <Table.Td className="number">{volume.z === null ? '–' : written(volume.z, 1)}</Table.Td>
              <Table.Td>
                <Distance z={volume.z} />
              </Table.Td>
              <Table.Td className="number">{volume.asymmetry === null ? '–' : `${written(volume.asymmetry, 0)} %`}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Name({ volume, shown, onShow }: { volume: JudgedVolume; shown: boolean; onShow: (label: number) => void }) {
  const { label, name } = volume;
  if (label === null) return name;
  return (
    <button type="button" className="region" aria-pressed={shown} title={t.show(name)} onClick={() => onShow(label)}>
      {name}
    </button>
  );
}

function written(value: number, digits: number): string {
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
