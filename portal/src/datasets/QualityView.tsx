import { List, Stack, Table, Text, Title } from '@mantine/core';

import type { QualityReport, Told } from '../api/data';
import { decimal } from '../shared/number';
import { locale, texts } from '../texts/texts';

const t = texts.inbox.quality;

/** A quality report: its findings, and each variable. */
export function QualityView({ report }: { report: QualityReport }) {
  const blocked = report.findings.some((finding) => finding.blocks);
  return (
    <Stack gap="xs" role="status">
      <Title order={3} fz="h5">
        {report.dataset}: {blocked ? t.unfit : t.fit}
      </Title>
      <Text size="sm">{t.patients(report.patients.toLocaleString(locale))}</Text>
      {report.findings.length === 0 ? (
        <Text size="sm">{t.none}</Text>
      ) : (
        <List size="sm">
          {report.findings.map((finding, index) => (
            <List.Item key={index} fw={finding.blocks ? 600 : undefined}>
              {finding.sentence}
            </List.Item>
          ))}
        </List>
      )}
      <div className="wide">
        <Table className="listing" aria-label={`${t.title}: ${report.dataset}`}>
          <Table.Thead>
            <Table.Tr>
              {Object.entries(t.columns).map(([key, label]) => (
                <Table.Th key={key} scope="col" ta={key === 'variable' || key === 'middle' ? undefined : 'right'}>
                  {label}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {report.variables.map((variable) => (
              <Table.Tr key={variable.code}>
                <Table.Td>{variable.label}</Table.Td>
                <Table.Td ta="right">{decimal(variable.present * 100, 0)} %</Table.Td>
                <Table.Td>{middle(variable)}</Table.Td>
                <Table.Td ta="right">{variable.outliers ? told(variable.outliers) : ''}</Table.Td>
                <Table.Td ta="right">{variable.psi == null ? '' : decimal(variable.psi, 3)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Stack>
  );
}

function middle(variable: QualityReport['variables'][number]): string {
  if (variable.quartiles) {
    const [low, half, high] = variable.quartiles.map((one) => Number(one.toPrecision(4)).toLocaleString(locale));
    return `${half} (${low} – ${high})`;
  }
  return Object.entries(variable.levels)
    .map(([level, count]) => `${level} ${told(count)}`)
    .join(', ');
}

/** A number as it may be told. */
export function told(count: Told): string {
  return count.told === null ? `<${count.minimum}` : count.told.toLocaleString(locale);
}
