import { Stack, Table, Text, Title } from '@mantine/core';

import type { Coverage } from '../api/data';
import { locale, texts } from '../texts/texts';
import { ProblemTable } from './ProblemsSection';

const t = texts.inbox.coverage;

/** What a mapping fills, which codes it does not know, and some rows before and after. */
export function CoverageView({ coverage }: { coverage: Coverage }) {
  const problems = coverage.report.problems;
  return (
    <Stack gap="xs" role="status">
      <Title order={3} fz="h5">
        {t.title}
      </Title>
      <Text size="sm">
        {t.records(coverage.report.records)}. {problems.length === 0 && t.clean}
      </Text>
      <div className="wide">
        <Table className="listing" aria-label={t.title}>
          <Table.Thead>
            <Table.Tr>
              {Object.entries(t.columns).map(([key, label]) => (
                <Table.Th key={key} scope="col" ta={key === 'variable' || key === 'unmapped' ? undefined : 'right'}>
                  {label}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {coverage.variables.map((variable) => (
              <Table.Tr key={variable.code}>
                <Table.Td>{variable.label}</Table.Td>
                <Table.Td ta="right">{variable.filled.toLocaleString(locale)}</Table.Td>
                <Table.Td ta="right">{variable.missing.toLocaleString(locale)}</Table.Td>
                <Table.Td ta="right">{variable.rejected.toLocaleString(locale)}</Table.Td>
                <Table.Td>
                  {variable.hidden > 0
                    ? t.hidden(variable.hidden)
                    : variable.unmapped.map((one) => t.code(one.code, one.rows)).join(', ')}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      <Text size="sm">{t.empty(coverage.empty.length, coverage.report.model)}</Text>
      {coverage.unread.length > 0 && (
        <Text size="sm">
          {t.unread}
          {coverage.unread.join(', ')}
        </Text>
      )}
      {coverage.unused.length > 0 && (
        <Text size="sm">
          {t.unused}
          {coverage.unused.join(', ')}
        </Text>
      )}
      {problems.length > 0 && <ProblemTable problems={problems} />}
      {coverage.sample.length > 0 && <Sample coverage={coverage} />}
    </Stack>
  );
}

function Sample({ coverage }: { coverage: Coverage }) {
  const codes = Object.keys(coverage.sample[0]?.after ?? {});
  return (
    <>
      <Title order={3} fz="h5">
        {t.sample}
      </Title>
      <div className="wide">
        <Table className="result-table dense" aria-label={t.sample}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col" />
              {codes.map((code) => (
                <Table.Th key={code} scope="col">
                  {code}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {coverage.sample.map((row) => (
              <Table.Tr key={`${row.file} ${row.row}`}>
                <Table.Th scope="row">{t.row(row.file, row.row)}</Table.Th>
                {codes.map((code) => (
                  <Table.Td key={code}>
                    {code in row.before && (
                      <Text span size="xs" c="dimmed">
                        {row.before[code] ?? ''} →{' '}
                      </Text>
                    )}
                    {short(row.after[code] ?? '')}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </>
  );
}

/** A cell as it is read: a number that a conversion made long has six digits. */
function short(cell: string): string {
  return /^-?\d+\.\d{7,}$/.test(cell) ? String(Number(Number(cell).toPrecision(6))) : cell;
}
