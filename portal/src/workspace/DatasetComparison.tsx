import { Progress, Table, Text, Title } from '@mantine/core';

import type { DatasetEntry, Outcome, Variable } from '../api/client';
import { VegaChart } from '../charts/VegaChart';
import { Headings } from '../shared/Headings';
import { locale, texts } from '../texts/texts';
import { compared, levelChart, missingShare, type Part } from './comparison';
import { isNumeric } from './filter';

const t = texts.explore.compare;

/**
 * A variable in each dataset and hospital, as pictures and as a table.
 *
 * It shows what the summary told already and asks nothing more; where hospitals give totals alone, it says so.
 */
export function DatasetComparison({ variable, datasets, summary }: { variable: Variable; datasets: DatasetEntry[]; summary: Outcome }) {
  const parts = compared(summary.data, datasets);
  if (datasets.length < 2) return null;
  const sites = parts.some((part) => part.site !== '');
  const numeric = isNumeric(variable);
  const levels = Object.fromEntries(variable.enumerations.map((level) => [level.code, level.label]));
  const title = t.chart(variable.label || variable.code);
  const charts = numeric ? summary.views.filter((view) => view.kind === 'chart') : [levelChart(parts, levels, title, t.share)];
  const columns = {
    ...(sites && { site: t.columns.site }),
    dataset: t.columns.dataset,
    n: t.columns.n,
    missing: t.columns.missing,
    share: t.columns.share,
    ...(numeric && { mean: t.columns.mean, sd: t.columns.sd, median: t.columns.median }),
  };
  return (
    <section aria-label={t.title}>
      <Title order={2} fz="h4" mb="xs">
        {t.title}
      </Title>
      {parts.length < 2 ? (
        <Text size="sm">{t.totals}</Text>
      ) : (
        <>
          {charts.map((chart) => (
            <VegaChart key={chart.title} chart={chart} />
          ))}
          <Table.ScrollContainer minWidth={420} type="native" tabIndex={0} mt="md">
            <Table className="listing" aria-label={t.title}>
              <Headings names={columns} right={['n', 'missing', 'mean', 'sd', 'median']} />
              <Table.Tbody>
                {parts.map((part) => (
                  <Line key={`${part.site}/${part.dataset ?? ''}`} part={part} sites={sites} numeric={numeric} />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </>
      )}
    </section>
  );
}

function Line({ part, sites, numeric }: { part: Part; sites: boolean; numeric: boolean }) {
  const share = missingShare(part);
  const whole = (value: number | null) => (value === null ? t.hidden : value.toLocaleString(locale));
  const figure = (value: number | null) => (value === null ? '' : value.toLocaleString(locale, { maximumSignificantDigits: 4 }));
  return (
    <Table.Tr fw={part.dataset === null ? 600 : undefined}>
      {sites && <Table.Td>{part.site || t.here}</Table.Td>}
      <Table.Td>{part.dataset ?? t.all}</Table.Td>
      <Table.Td ta="right">{whole(part.n)}</Table.Td>
      <Table.Td ta="right">{whole(part.missing)}</Table.Td>
      <Table.Td miw="7rem">
        {share !== null && (
          <>
            {share.toLocaleString(locale, { style: 'percent', maximumFractionDigits: 1 })}
            <Progress value={100 * share} color="orange" aria-hidden />
          </>
        )}
      </Table.Td>
      {numeric && [part.mean, part.sd, part.median].map((value, place) => (
        <Table.Td key={place} ta="right">
          {figure(value)}
        </Table.Td>
      ))}
    </Table.Tr>
  );
}
