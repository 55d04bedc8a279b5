import { Button, Group, Text } from '@mantine/core';

import { locale, texts } from '../texts/texts';

const t = texts.administration;

/** The way through the pages of a long list; nothing where one page holds all. */
export function Pages({
  page,
  size,
  total,
  onTurn,
}: {
  page: number;
  size: number;
  total: number;
  onTurn: (page: number) => void;
}) {
  if (total <= size) return null;
  const last = Math.min(total, (page + 1) * size);
  const written = (number: number) => number.toLocaleString(locale);
  return (
    <Group mt="md" justify="center">
      <Button size="xs" variant="default" disabled={page === 0} onClick={() => onTurn(page - 1)}>
        {t.newer}
      </Button>
      <Text size="sm">{t.of(written(page * size + 1), written(last), written(total))}</Text>
      <Button size="xs" variant="default" disabled={last >= total} onClick={() => onTurn(page + 1)}>
        {t.older}
      </Button>
    </Group>
  );
}
