import { Button, Checkbox, List, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { dataApi, type InboxEntry } from '../api/data';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';
import { isMoving } from './item';
import { Section } from './Section';

const t = texts.inbox.publish;

/** Publishing a file, and what was published from it. */
export function PublishSection({ item }: { item: InboxEntry }) {
  const [quarantine, setQuarantine] = useState(false);
  const [anyway, setAnyway] = useState(false);
  const client = useQueryClient();
  const publish = useMutation({
    mutationFn: () =>
      dataApi.publish(item.name, { quarantine: quarantine && item.separable, allow_small_change: anyway }),
    onSuccess: () => {
      setAnyway(false);
      return client.invalidateQueries();
    },
  });
  const small = item.trouble?.small_change ?? false;
  const able =
    item.state === 'ready' || item.state === 'published' || (item.separable && quarantine) || (small && anyway);
  return (
    <Section title={t.title}>
      {!item.gone && (
        <>
          <Text size="sm" role="status">
            {standing(item)}
          </Text>
          {item.separable && (
            <Checkbox label={t.setAside} checked={quarantine} onChange={(event) => setQuarantine(event.currentTarget.checked)} />
          )}
          {small && <Checkbox label={t.anyway} checked={anyway} onChange={(event) => setAnyway(event.currentTarget.checked)} />}
          <ProblemAlert error={publish.error} />
          <Button
            w="fit-content"
            loading={publish.isPending || item.state === 'publishing'}
            disabled={!able || isMoving(item)}
            onClick={() => publish.mutate()}
          >
            {item.state === 'published' ? t.again : t.go}
          </Button>
        </>
      )}
      {item.quarantined && <Text size="sm">{t.quarantined(item.quarantined)}</Text>}
      {item.published.length > 0 && (
        <div>
          <Text size="sm" fw={550}>
            {t.history}
          </Text>
          <List size="sm">
            {item.published.toReversed().map((one) => (
              <List.Item key={`${one.dataset} ${one.at}`}>
                {t.line(
                  one.dataset,
                  one.version,
                  one.patients,
                  new Date(one.at).toLocaleString(locale),
                  one.user === 'inbox' ? t.itself : one.user,
                )}
              </List.Item>
            ))}
          </List>
        </div>
      )}
    </Section>
  );
}

function standing(item: InboxEntry): string {
  if (isMoving(item)) return texts.inbox.states[item.state];
  if (item.state === 'published') return t.current;
  if (item.state === 'unmatched') return t.unmatched;
  if (item.state === 'troubled') return t.blocked;
  return item.published.length > 0 ? `${t.ready} ${t.changed}` : t.ready;
}
