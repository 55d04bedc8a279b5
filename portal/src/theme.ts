import { createTheme, type MantineColorsTuple } from '@mantine/core';

const teal: MantineColorsTuple = [
  '#e6f5f6', '#d2e8ea', '#a3d0d5', '#70b7bf', '#48a2ac', '#2e95a1', '#1d8f9c', '#0b7c88', '#0b5d6b', '#004e5a',
];

export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: { light: 8, dark: 6 },
  colors: { teal },
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  headings: { fontFamily: "'Inter Variable', system-ui, sans-serif", fontWeight: '620' },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  focusRing: 'auto',
});
