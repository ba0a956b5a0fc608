package potable;

import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;

/** Local files with the permissions of the process's umask; Hadoop's own runs `chmod` for every file and folder. */
public class LocalFiles extends RawLocalFileSystem {
    public void setPermission(Path path, FsPermission permission) {
    }
}
