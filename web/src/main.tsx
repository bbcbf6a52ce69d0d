import 'uplot/dist/uPlot.min.css'
import './style/base.css'
import './style/components.css'
import './style/cluster.css'
import { createRoot } from 'react-dom/client'
import { App } from './app'
import { Store } from './stream/store'
import { connect, get, probe } from './stream/transport'
import { StoreContext } from './view/hooks'

/** The delay before listeners are notified of changes, in milliseconds. */
const notifyDelay = 60

const store = new Store({
  probe,
  get,
  connect,
  now: () => Date.now(),
  random: () => Math.random(),
  // A timer, as animation frames do not run in hidden tabs.
  schedule: (f) => void setTimeout(f, notifyDelay),
})

createRoot(document.getElementById('root')!).render(
  <StoreContext value={store}>
    <App />
  </StoreContext>,
)
store.start()
