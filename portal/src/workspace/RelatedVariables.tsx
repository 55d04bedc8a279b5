import { Button, Progress, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type DatasetEntry, type ModelTree, type Variable } from '../api/client';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';
import { isNumeric } from './filter';
import { strongest } from './strongest';
import { neighbours } from './variables';

const t = texts.workspace.related;
/** Variables that are asked about, and those that are shown. */
const ASKED = 30;
const SHOWN = 8;

/** The variables near this one that go with it most, asked for by a button: each answer is a release. */
export function RelatedVariables({
  model,
  variable,
  datasets,
  filters,
  onChoose,
}: {
  model: ModelTree;
  variable: Variable;
  datasets: DatasetEntry[];
  filters: Record<string, unknown> | null;
  onChoose: (code: string) => void;
}) {
  const [asked, setAsked] = useState(false);
  const near = neighbours(
    model,
    variable.code,
    (other) => isNumeric(other) && datasets.every((dataset) => dataset.variables.includes(other.code)),
    ASKED,
  );
  const labels = new Map(near.map(({ code, label }) => [code, label || code]));
  const question = {
    data_model: model.key,
    datasets: datasets.map(({ code }) => code),
    filters,
    variable: variable.code,
    among: [...labels.keys()],
  };
  const answer = useQuery({
    queryKey: ['related', question],
    queryFn: () => api.related(question),
    enabled: asked,
  });
  if (!near.length) return null;
  const found = answer.data ? strongest(answer.data.data, SHOWN) : [];
  const written = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: 'exceptZero' });
  return (
    <section aria-label={t.title}>
      <Title order={2} fz="h4" mb="xs">
        {t.title}
      </Title>
      {!asked && (
        <Button size="xs" variant="default" onClick={() => setAsked(true)}>
          {t.ask(near.length)}
        </Button>
      )}
      {answer.isLoading && <Loading lines={4} />}
      <ProblemAlert error={answer.error} onRetry={() => void answer.refetch()} />
      {answer.data && !found.length && <Text size="sm">{t.none}</Text>}
      {found.length > 0 && (
        <Table.ScrollContainer minWidth={360} type="native" tabIndex={0}>
          <Table className="listing" aria-label={t.title}>
            <Headings names={t.columns} />
            <Table.Tbody>
              {found.map(({ code, r }) => (
                <Table.Tr key={code}>
                  <Table.Td>
                    <Button size="compact-sm" variant="subtle" onClick={() => onChoose(code)}>
                      {labels.get(code) ?? code}
                    </Button>
                  </Table.Td>
                  <Table.Td>{written.format(r)}</Table.Td>
                  <Table.Td w="40%">
                    <Progress value={100 * Math.abs(r)} color={r < 0 ? 'orange' : 'teal'} aria-hidden />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  );
}
