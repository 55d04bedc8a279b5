import { Checkbox, Divider, Group, Select, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';

import { api } from '../api/client';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { locale, texts } from '../texts/texts';
import { AnalysisPanel } from './AnalysisPanel';
import { emptyFilter, isNominal, isNumeric, newRule, toDocument } from './filter';
import { FilterBuilder } from './FilterBuilder';
import { RoleNews } from './RoleNews';
import { useSelection } from './selection';
import { VariableCard } from './VariableCard';
import { VariableExplorer } from './VariableExplorer';
import { allVariables } from './variables';
import { Welcome } from './Welcome';

const t = texts.workspace;

/** Explore variables on the left and in the middle, build an analysis on the right. */
export function Workspace() {
  const [selection, change] = useSelection();
  const [filtering, setFiltering] = useState<string | boolean>(false);
  const models = useQuery({ queryKey: ['models'], queryFn: api.models });
  const wanted = models.data?.find((model) => model.code === selection.model);
  const key = (wanted ?? models.data?.find((model) => model.datasets.length > 0) ?? models.data?.[0])?.code;
  const tree = useQuery({
    queryKey: ['model', key],
    queryFn: () => api.model(key ?? ''),
    enabled: key !== undefined,
  });
  const published = useQuery({
    queryKey: ['datasets', key],
    queryFn: () => api.datasets(key),
    enabled: key !== undefined,
  });
  const variables = useMemo(() => (tree.data ? allVariables(tree.data) : new Map<string, never>()), [tree.data]);
  const chosen = (published.data ?? []).filter(
    (dataset) => selection.model !== key || !selection.datasets || selection.datasets.includes(dataset.code),
  );
  const codes = chosen.map((dataset) => dataset.code);
  // A request that is opened again may name what is not there any more, or not for this person.
  const lost =
    models.data && selection.model && selection.model !== key
      ? [selection.model]
      : (published.data ? (selection.datasets ?? []) : []).filter((code) => !published.data?.some((one) => one.code === code));
  const present = published.data && new Set(['dataset', ...chosen.flatMap((dataset) => dataset.variables)]);
  const usable = new Map([...variables].filter(([code, part]) => present?.has(code) && (isNumeric(part) || isNominal(part))));
  const variable = selection.variable ? variables.get(selection.variable) : undefined;
  const here = { ...selection, model: key ?? null };

  const give = (codes: string[], role: 'y' | 'x') => {
    const other = role === 'y' ? 'x' : 'y';
    change({
      model: key ?? null,
      [role]: [...new Set([...selection[role], ...codes])],
      [other]: selection[other].filter((code) => !codes.includes(code)),
    });
  };
  const use = (place: 'y' | 'x' | 'filter') => {
    if (!variable) return;
    if (place === 'filter') setFiltering(variable.code);
    else give([variable.code], place);
  };
  const draft =
    typeof filtering === 'string' && variable
      ? { ...(selection.filter ?? emptyFilter), rules: [...(selection.filter?.rules ?? []), newRule(variable)] }
      : selection.filter;

  if (models.isPending) return <Loading />;
  if (models.error) {
    return (
      <div className="page">
        <ProblemAlert error={models.error} onRetry={() => void models.refetch()} />
      </div>
    );
  }
  return (
    <div className="workspace">
      <title>{`${variable ? `${variable.label || variable.code} · ` : ''}${texts.brand}`}</title>
      <section className="column side" aria-label={t.search}>
        <Stack gap="sm">
          <Select
            label={t.model}
            data={models.data.map((model) => ({ value: model.code, label: `${model.label} ${model.version}` }))}
            value={key ?? null}
            allowDeselect={false}
            onChange={(model) => change({ model, datasets: null, variable: null, y: [], x: [], filter: null })}
          />
          <div data-tour="datasets">
            <Text size="sm" fw={500} mb={4}>
              {t.datasets}
            </Text>
            {published.isPending && <Loading lines={3} />}
            <ProblemAlert error={published.error} onRetry={() => void published.refetch()} />
            {lost.length > 0 && (
              <Text size="sm" role="note" mb={4}>
                {t.lost(lost.join(', '))}
              </Text>
            )}
            {published.data?.length === 0 && (
              <Text size="sm" c="dimmed">
                {t.noDatasets} {t.howToImport} {key}
              </Text>
            )}
            <Stack gap={5}>
              {published.data?.map((dataset) => (
                <Checkbox
                  key={dataset.code}
                  size="xs"
                  checked={codes.includes(dataset.code)}
                  onChange={(event) =>
                    change({
                      model: key ?? null,
                      datasets: event.currentTarget.checked
                        ? [...codes, dataset.code]
                        : codes.filter((code) => code !== dataset.code),
                    })
                  }
                  label={
                    <Group gap={6} wrap="nowrap">
                      <span>{dataset.label}</span>
                      {dataset.synthetic && <SyntheticBadge />}
                      <Text span size="xs" c="dimmed">
                        {dataset.site && `${dataset.site} · `}
                        {dataset.patients.toLocaleString(locale)} {t.patients}
                      </Text>
                    </Group>
                  }
                />
              ))}
            </Stack>
          </div>
          <Divider />
          {tree.isPending && <Loading lines={10} />}
          <ProblemAlert error={tree.error} onRetry={() => void tree.refetch()} />
          {tree.data && (
            <Stack gap="sm" data-tour="variables">
              <VariableExplorer
                key={tree.data.key}
                model={tree.data}
                present={present}
                chosen={selection.variable}
                onChoose={(code) => change({ model: key ?? null, variable: code })}
                onUse={give}
              />
            </Stack>
          )}
        </Stack>
      </section>
      <section className="column" aria-label={t.distribution} data-tour="variable">
        {tree.data && variable ? (
          <VariableCard
            key={variable.code}
            model={tree.data}
            variable={variable}
            datasets={chosen}
            filters={toDocument(selection.filter)}
            roles={selection}
            onUse={use}
            onShow={(code) => change({ model: key ?? null, variable: code })}
          />
        ) : (
          tree.data && <Welcome datasets={chosen} variables={usable.size} />
        )}
      </section>
      <section className="column side panel" aria-label={texts.analysis.title} data-tour="analysis">
        <AnalysisPanel
          selection={here}
          datasets={codes}
          variables={variables}
          usable={[...usable.values()]}
          longitudinal={tree.data?.longitudinal ?? false}
          onChange={(part) => change({ model: key ?? null, ...part })}
          onEditFilter={() => setFiltering(true)}
        />
      </section>
      <RoleNews y={selection.y} x={selection.x} label={(code) => variables.get(code)?.label || code} />
      <FilterBuilder
        opened={filtering !== false}
        initial={draft}
        model={key ?? ''}
        known={{ variables: usable, datasets: codes }}
        onApply={(filter) => {
          change({ model: key ?? null, filter });
          setFiltering(false);
        }}
        onClose={() => setFiltering(false)}
      />
    </div>
  );
}
