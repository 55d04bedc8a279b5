import { Anchor, Badge, Code, Group, Table, Text, Title } from '@mantine/core';

import { Link } from 'react-router';

import type { ScanRecord, Verdict } from '../api/scans';
import { texts } from '../texts/texts';
import { StandingBadge } from './StandingBadge';

const t = texts.scans;
const colours: Record<Verdict, string> = { taken: 'teal', 'left out': 'gray', refused: 'red' };

/** Scans with their verdicts, and why where they were not taken. */
export function ScanTable({ scans }: { scans: ScanRecord[] }) {
  return (
    <>
      <Title order={2} fz="1.1rem" mb="xs">
        {t.kept}
      </Title>
      <Table.ScrollContainer minWidth={760} type="native" role="region" aria-label={t.kept} tabIndex={0}>
        <Table highlightOnHover className="listing" aria-label={t.kept}>
          <Table.Thead>
            <Table.Tr>
              {Object.entries(t.columns).map(([key, column]) => (
                <Table.Th key={key} scope="col" title={key === 'acquired' ? t.acquiredHint : undefined}>
                  {column}
                </Table.Th>
              ))}
              <Table.Th scope="col">{texts.review.column}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {scans.map((scan) => (
              <Table.Tr key={scan.id}>
                <Table.Td>
                  <Badge color={colours[scan.verdict]} variant="light" className={`state ${scan.verdict}`}>
                    {t.verdicts[scan.verdict]}
                  </Badge>
                  {scan.reason && <Text size="sm">{scan.reason}</Text>}
                </Table.Td>
                <Table.Td>{scan.patient && <Code>{scan.patient}</Code>}</Table.Td>
                <Table.Td>{scan.acquired}</Table.Td>
                <Table.Td>{scan.shape && scan.voxel && t.volume(scan.shape, scan.voxel)}</Table.Td>
                <Table.Td>{t.source(scan.source, scan.files)}</Table.Td>
                <Table.Td>
                  <Group gap="xs">
                    <StandingBadge standing={scan.standing} />
                    {scan.verdict === 'taken' && (
                      <Anchor
                        component={Link}
                        to={`/scans/${encodeURIComponent(scan.id)}`}
                        size="sm"
                        aria-label={texts.review.openScan(scan.id)}
                      >
                        {texts.review.open}
                      </Anchor>
                    )}
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}
