package potable;

import java.util.Map;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;

/** Executors log as `spark.log.level` says; Spark 4.0 gives it to the driver only, and executors forget what it tells them. */
public class Quiet implements SparkPlugin, ExecutorPlugin {
    public DriverPlugin driverPlugin() {
        return null;
    }

    public ExecutorPlugin executorPlugin() {
        return this;
    }

    public void init(PluginContext context, Map given) {
        Configurator.setAllLevels("", Level.toLevel(context.conf().get("spark.log.level")));
    }
}
