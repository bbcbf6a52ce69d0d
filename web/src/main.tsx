import 'uplot/dist/uPlot.min.css'
import './style/base.css'
import './style/parts.css'
import './style/cluster.css'
import { createRoot } from 'react-dom/client'
import { App } from './app'
import { Store } from './stream/store'
import { ask, connect, probe } from './stream/transport'
import { StoreContext } from './view/hooks'

const store = new Store({
  probe, ask, connect,
  now: () => Date.now(),
  random: () => Math.random(),
  // Timers run in hidden tabs too, where frames do not.
  soon: (f) => void setTimeout(f, 60),
})

createRoot(document.getElementById('root')!).render(
  <StoreContext value={store}>
    <App />
  </StoreContext>,
)
store.start()
