// A server that speaks Google's storage API and forgets everything: fake-gcs-server, which knows objects, generations and
// the JSON API, and before it the part of the XML API that it lacks and obstore speaks, as
// https://cloud.google.com/storage/docs/xml-api describes it: each request becomes one or more of the JSON API.
package main

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

const leastPart = 5 << 20 // bytes of every part but the last

type door struct {
	inner   http.Handler
	mutex   sync.Mutex
	uploads map[string]map[int][]byte
	begun   int
}

type object struct {
	Name, Etag, Generation, Size, Updated string
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	address := listener.Addr().String()
	server, err := fakestorage.NewServerWithOptions(
		fakestorage.Options{NoListener: true, Scheme: "http", PublicHost: address, ExternalURL: "http://" + address})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("http://" + address)
	log.Fatal(http.Serve(listener, &door{inner: server.HTTPHandler(), uploads: map[string]map[int][]byte{}}))
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, json := range []string{"/storage/", "/upload/", "/download/", "/batch/"} {
		if strings.HasPrefix(r.URL.Path, json) {
			d.inner.ServeHTTP(w, r)
			return
		}
	}
	if r.URL.Path == "/token" {
		reply(w, http.StatusOK, "application/json", []byte(`{"access_token":"t","token_type":"Bearer","expires_in":3600}`))
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		refuse(w, http.StatusForbidden, "AccessDenied")
		return
	}
	bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if status, _ := d.ask("GET", "/storage/v1/b/"+url.PathEscape(bucket), nil); status != http.StatusOK {
		refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	query := r.URL.Query()
	switch {
	case name == "" && r.Method == "GET":
		d.list(w, bucket, query)
	case r.Method == "GET" || r.Method == "HEAD":
		d.inner.ServeHTTP(&conditional{ResponseWriter: w, wanted: r.Header.Get("If-Match")}, r)
	case r.Method == "DELETE" && query.Has("uploadId"), r.Method == "POST", r.Method == "PUT" && query.Has("uploadId"):
		d.inParts(w, r, bucket, name)
	case r.Method == "PUT":
		d.put(w, bucket, name, r.Header.Get("x-goog-if-generation-match"), body(r), nil)
	case r.Method == "DELETE":
		d.inner.ServeHTTP(w, r)
	default:
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	}
}

// ask the server itself, by the JSON API.
func (d *door) ask(method, path string, data []byte) (int, []byte) {
	answer := httptest.NewRecorder()
	d.inner.ServeHTTP(answer, httptest.NewRequest(method, path, bytes.NewReader(data)))
	return answer.Code, answer.Body.Bytes()
}

func (d *door) put(w http.ResponseWriter, bucket, name, generation string, data []byte, told func(object) any) {
	given := url.Values{"uploadType": {"media"}, "name": {name}}
	if generation != "" {
		given.Set("ifGenerationMatch", generation)
	}
	status, answer := d.ask("POST", "/upload/storage/v1/b/"+url.PathEscape(bucket)+"/o?"+given.Encode(), data)
	var made object
	switch {
	case status == http.StatusPreconditionFailed:
		refuse(w, status, "PreconditionFailed")
	case status != http.StatusOK || json.Unmarshal(answer, &made) != nil:
		refuse(w, http.StatusInternalServerError, "InternalError")
	default:
		w.Header().Set("ETag", quoted(made.Etag))
		w.Header().Set("x-goog-generation", made.Generation)
		if told == nil {
			w.WriteHeader(http.StatusOK)
		} else {
			replyXML(w, told(made))
		}
	}
}

// inParts begins an upload in parts, takes a part, ends the upload or gives it up.
func (d *door) inParts(w http.ResponseWriter, r *http.Request, bucket, name string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	query := r.URL.Query()
	if r.Method == "POST" && query.Has("uploads") {
		d.begun++
		id := strconv.Itoa(d.begun)
		d.uploads[id] = map[int][]byte{}
		replyXML(w, struct {
			XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
			Bucket, Key, UploadId string
		}{Bucket: bucket, Key: name, UploadId: id})
		return
	}
	id := query.Get("uploadId")
	parts, known := d.uploads[id]
	if !known {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	switch r.Method {
	case "PUT":
		number, err := strconv.Atoi(query.Get("partNumber"))
		if err != nil || number < 1 || number > 10000 {
			refuse(w, http.StatusBadRequest, "InvalidArgument")
			return
		}
		parts[number] = body(r)
		w.Header().Set("ETag", tag(parts[number]))
		w.WriteHeader(http.StatusOK)
	case "DELETE":
		delete(d.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case "POST":
		data, wrong := joined(parts, body(r))
		if wrong != "" {
			refuse(w, http.StatusBadRequest, wrong)
			return
		}
		delete(d.uploads, id)
		d.put(w, bucket, name, "", data, func(made object) any {
			return struct {
				XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
				Bucket, Key, ETag string
			}{Bucket: bucket, Key: name, ETag: quoted(made.Etag)}
		})
	}
}

// joined is the parts that a request names, one behind the other, or the code of what is wrong with them.
func joined(parts map[int][]byte, request []byte) ([]byte, string) {
	var wanted struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if xml.Unmarshal(request, &wanted) != nil || len(wanted.Part) == 0 {
		return nil, "MalformedCompleteMultipartUploadRequest"
	}
	var data []byte
	for place, named := range wanted.Part {
		part, known := parts[named.PartNumber]
		if !known || tag(part) != named.ETag {
			return nil, "InvalidPart"
		}
		if place > 0 && named.PartNumber <= wanted.Part[place-1].PartNumber {
			return nil, "InvalidPartOrder"
		}
		if place < len(wanted.Part)-1 && len(part) < leastPart {
			return nil, "EntityTooSmall"
		}
		data = append(data, part...)
	}
	return data, ""
}

func (d *door) list(w http.ResponseWriter, bucket string, query url.Values) {
	given := url.Values{"maxResults": {"1000"}}
	for name, value := range query {
		switch name {
		case "prefix", "delimiter":
			given[name] = value
		case "continuation-token":
			given["pageToken"] = value
		case "list-type":
		default:
			refuse(w, http.StatusNotImplemented, "NotImplemented")
			return
		}
	}
	_, answer := d.ask("GET", "/storage/v1/b/"+url.PathEscape(bucket)+"/o?"+given.Encode(), nil)
	var found struct {
		Items         []object
		Prefixes      []string
		NextPageToken string
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		refuse(w, http.StatusInternalServerError, "InternalError")
		return
	}
	type item struct{ Key, LastModified, ETag, Size, Generation string }
	type prefix struct{ Prefix string }
	told := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		Name                  string
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []item
		CommonPrefixes        []prefix
	}{Name: bucket, IsTruncated: found.NextPageToken != "", NextContinuationToken: found.NextPageToken}
	for _, each := range found.Items {
		told.Contents = append(told.Contents, item{each.Name, each.Updated, quoted(each.Etag), each.Size, each.Generation})
	}
	for _, each := range found.Prefixes {
		told.CommonPrefixes = append(told.CommonPrefixes, prefix{each})
	}
	replyXML(w, told)
}

// conditional is an answer that is given only if the object has the wanted tag.
type conditional struct {
	http.ResponseWriter
	wanted  string
	refused bool
}

func (c *conditional) WriteHeader(status int) {
	found := status == http.StatusOK || status == http.StatusPartialContent
	c.Header().Set("ETag", quoted(c.Header().Get("ETag")))
	if c.refused = found && c.wanted != "" && c.wanted != c.Header().Get("ETag"); c.refused {
		c.Header().Del("Content-Length")
		refuse(c.ResponseWriter, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *conditional) Write(data []byte) (int, error) {
	if c.refused {
		return len(data), nil
	}
	return c.ResponseWriter.Write(data)
}

func body(r *http.Request) []byte {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		// half of an object is none: the connection ends, and with it the request
		panic(http.ErrAbortHandler)
	}
	return data
}

func tag(data []byte) string {
	return fmt.Sprintf(`"%x"`, md5.Sum(data))
}

// quoted is a tag as the XML API tells it.
func quoted(tag string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(tag, `\`, ""), `"`, "") + `"`
}

func refuse(w http.ResponseWriter, status int, code string) {
	reply(w, status, "application/xml", []byte("<Error><Code>"+code+"</Code></Error>"))
}

func replyXML(w http.ResponseWriter, told any) {
	data, err := xml.Marshal(told)
	if err != nil {
		panic(err)
	}
	reply(w, http.StatusOK, "application/xml", data)
}

func reply(w http.ResponseWriter, status int, kind string, data []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	w.Write(data)
}
